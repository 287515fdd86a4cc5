"""What all of GitHub's answers have in common."""

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Shape(BaseModel):
    """What is not asked for is left out, and what is new there is no matter."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class Total(Shape):
    """How many there are."""

    total_count: int
