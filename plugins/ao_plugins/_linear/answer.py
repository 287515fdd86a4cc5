"""What all of Linear's answers have in common."""

from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

T = TypeVar("T")


class Shape(BaseModel):
    """What is not asked for is left out, and what is new there is no matter."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True, extra="ignore")


class Nodes(Shape, Generic[T]):
    """The items of a page."""

    nodes: tuple[T, ...] = ()


class Turn(Shape):
    """Whether there is another page, and where it begins."""

    has_next_page: bool
    end_cursor: str | None = None
