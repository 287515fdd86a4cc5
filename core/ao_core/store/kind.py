"""The stores that a home can have."""

from typing import Literal, TypeAlias

StoreKind: TypeAlias = Literal["sqlite", "files"]
