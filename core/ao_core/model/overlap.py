"""Two workers on the same lines."""

from dataclasses import dataclass

from ao_core.ids import SessionId


@dataclass(frozen=True, slots=True)
class Place:
    """Some lines of a file, as the commit has them that both went out from."""

    path: str
    first: int
    last: int

    def __str__(self) -> str:
        if not self.first:  # a new file
            return self.path
        return f"{self.path}:{self.first}" + (f"-{self.last}" if self.last > self.first else "")


@dataclass(frozen=True, slots=True)
class Overlap:
    """What both have changed. It is told once for the same files, and forgotten once it is over."""

    first: SessionId
    second: SessionId
    places: tuple[Place, ...]

    @property
    def id(self) -> str:
        """Where it is stored: the same whichever is looked at."""
        return f"{self.first}/{self.second}"

    def other(self, session: SessionId) -> SessionId:
        """Who the other one is."""
        return self.second if session == self.first else self.first

    @property
    def files(self) -> frozenset[str]:
        """Where they meet."""
        return frozenset(place.path for place in self.places)
