"""What is run for a message, as the adapter has it on the command line of the program."""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, cast

from ao_plugins._template import filled, placeholders

_LONGEST = 120_000  # bytes; Linux takes 128 KiB as one argument
_BY_FILE = "What you are to do is too long to be said here. Read all of this file, and do it: {}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Two templates, and what is put into them beside the message.

    `command` begins a conversation and `resume` goes on with it; without that each message begins
    one. `log` is what the agent itself writes, of the form that `logged` names. `folder` is private
    to the session.
    """

    folder: Path
    first: Path
    command: Sequence[str]
    resume: Sequence[str] | None = None
    values: Mapping[str, str | None] | None = None
    log: Path | None = None
    logged: Literal["lines", "trae"] = "lines"

    def argv(self, *, again: bool = False) -> tuple[str, ...]:
        """The program's command line; `again` where it has run before."""
        told = json.dumps(asdict(self), default=str, ensure_ascii=False)
        program = (sys.executable, "-I", "-X", "utf8", "-m", "ao_plugins._by_turns")
        return (*program, *(["--again"] if again else []), f"--plan={told}")

    @property
    def begun(self) -> bool:
        """Whether it was ever told anything."""
        return self.message.exists()

    @property
    def message(self) -> Path:
        """What it was told last."""
        return self.folder / "message.md"

    @property
    def under_way(self) -> Path:
        """There for as long as the turn is not over."""
        return self.folder / "under-way"

    def words(self, text: str, native_id: str | None, *, later: bool) -> tuple[str, ...]:
        """The command line for a message, which stands in its file already."""
        values = {**(self.values or {})}
        values["native_id"] = native_id or values.get("native_id")
        values["prompt"] = text if len(text.encode()) <= _LONGEST else _BY_FILE.format(self.message)
        values["prompt_file"] = str(self.message)
        return filled(self._template(values) if later else self.command, values)

    def _template(self, values: Mapping[str, str | None]) -> Sequence[str]:
        if self.resume is None or (self.log is not None and not self.log.exists()):
            return self.command
        unknown = "native_id" in placeholders(self.resume) and values["native_id"] is None
        return self.command if unknown else self.resume


def read(text: str) -> Plan:
    """The plan, as `argv` wrote it."""
    told = cast("dict[str, Any]", json.loads(text))
    log = Path(told.pop("log")) if told["log"] else told.pop("log")
    return Plan(Path(told.pop("folder")), Path(told.pop("first")), log=log, **told)
