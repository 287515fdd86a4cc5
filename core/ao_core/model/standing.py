"""Whether a session's work is where it belongs: on its own branch, in its own work tree."""

from dataclasses import dataclass
from enum import StrEnum

from ao_core.redact import visible


class Footing(StrEnum):
    """What the work stands on."""

    FIRM = "firm"
    REMOVED = "removed"
    MOVED = "moved"
    BRANCH_GONE = "branch_gone"
    SWITCHED = "switched"


@dataclass(frozen=True, slots=True)
class Standing:
    """What was found. `where`: the folder it was moved to, or what is checked out instead."""

    footing: Footing = Footing.FIRM
    where: str = ""

    @property
    def is_firm(self) -> bool:
        """Whether all is as it should be."""
        return self.footing is Footing.FIRM

    def told(self, branch: str) -> str:
        """One line for people."""
        return _TOLD[self.footing].format(where=visible(self.where, 200), branch=branch)


FIRM = Standing()
_TOLD = {
    Footing.FIRM: "its work tree and its branch are as they should be",
    Footing.REMOVED: "its work tree was removed",
    Footing.MOVED: "its work tree was moved to {where}",
    Footing.BRANCH_GONE: "its branch {branch} was deleted",
    Footing.SWITCHED: "it works on {where} instead of {branch}",
}
