"""What all of GitLab's answers have in common."""

from pydantic import BaseModel, ConfigDict


class Shape(BaseModel):
    """Only what is of use here is read, and what is new there is no matter."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Person(Shape):
    """An account, of a person or a program."""

    id: int
    username: str
