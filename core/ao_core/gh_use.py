"""How often a worker's `gh` has asked GitHub, as the wrapper of it has written down."""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from ao_core.errors import BadRequest
from ao_core.spool import contents

LOG = "gh.log"  # in the folder where the session's hooks leave their words
_MOST = 4 * 1024 * 1024
_TOLD = 3
_LINE = re.compile(r"([a-z][a-z-]{0,19}) ([a-z-]{0,20})")
_GROUPS = frozenset({
    "cache", "codespace", "gist", "gpg-key", "issue", "label", "org", "pr", "project", "release",
    "repo", "ruleset", "run", "search", "secret", "ssh-key", "variable", "workflow",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class GhUse:
    """Commands that ask GitHub, by what they are; one that pages or watches asks more than once."""

    commands: Counter[str] = field(default_factory=Counter[str])

    @property
    def total(self) -> int:
        """All of them."""
        return self.commands.total()

    def told(self) -> str:
        """In one line, with those that were most; nothing where there were none."""
        if not self.total:
            return ""
        most = ", ".join(f"{name} {count}" for name, count in self.commands.most_common(_TOLD))
        return f"{commands(self.total)}: {most}"


def commands(count: int) -> str:
    """So many of them."""
    return "1 command" if count == 1 else f"{count} commands"


def gh_use(spool: Path) -> GhUse:
    """What is written down there; a worker may write there, so anything odd is but counted."""
    try:
        data, _ = contents(spool / LOG, _MOST)
    except BadRequest:
        return GhUse()
    return GhUse(Counter(map(_name, data.decode(errors="replace").splitlines())))


def _name(line: str) -> str:
    found = _LINE.fullmatch(line)
    if found is None:
        return "other"
    return f"{found[1]} {found[2]}".rstrip() if found[1] in _GROUPS else found[1]
