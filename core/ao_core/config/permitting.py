"""What a person rules on permissions: an ordered list, of which the first that fits decides."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated, Self, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ao_core.config.parts import Command, Section, Word, duration
from ao_core.model.kinds import WITHOUT_COMMANDS, kind_of
from ao_core.model.rule import INSIDE, Rule, Verdict

_MOST = 200


def _path(value: str) -> str:
    """`inside`, `outside`, or a pattern as seen from the workspace."""
    value = value.removeprefix("./")
    parts = PurePosixPath(value).parts
    if not parts or value.startswith(("/", "~", "!")) or ".." in parts or "\\" in value:
        raise ValueError("should be inside, outside, or a pattern as seen from the workspace")
    if value != str(PurePosixPath(value)):
        raise ValueError("would never be met: all that is in a folder is `/**` behind its name")
    return value


def _begins(value: tuple[str, ...]) -> tuple[str, ...]:
    if any("*" in word for word in value):
        raise ValueError("is how a command begins, word by word: leave the * out")
    if not value[0].strip() or "=" in value[0]:
        raise ValueError("should begin with the program: what is set before it does not count")
    return value


def _patience(value: object) -> timedelta | None:
    if value == "never":
        return None
    found = duration(value)
    if not found:
        raise ValueError("should be a time such as 10m, or never")
    return found


RulePath: TypeAlias = Annotated[Word, AfterValidator(_path)]
Beginning: TypeAlias = Annotated[Command, AfterValidator(_begins)]
Timeout: TypeAlias = Annotated[timedelta | None, BeforeValidator(_patience)]


class PermissionRule(Section):
    """What workers may do, may not do, or have to ask for."""

    decision: Verdict
    tool: Word | None = None
    command: Beginning | None = None
    path: RulePath | None = None

    @model_validator(mode="after")
    def _can_be_met(self) -> Self:
        if self.tool is None and self.command is None and self.path is None:
            raise ValueError("should name a tool, a command or a path; tool: '*' is every tool")
        if self.command and self.tool and kind_of(self.tool) in WITHOUT_COMMANDS:
            raise ValueError("would never be met: that tool runs nothing. Leave one of the two out")
        if self.command and self.decision is Verdict.ALLOW and self.path not in (None, INSIDE):
            raise ValueError(
                "cannot be held: a command may go anywhere. Leave path out, or say: inside"
            )
        return self

    def rule(self, place: str) -> Rule:
        """As the engine uses it."""
        return Rule(self.decision, self.tool, self.command or (), self.path, place)


def _each_can_be_reached(rules: tuple[PermissionRule, ...]) -> tuple[PermissionRule, ...]:
    for number, rule in enumerate(rules):
        for before, earlier in enumerate(rules[:number]):
            if _covers(earlier, rule):
                raise ValueError(
                    f"comes never as far as number {number + 1}: number {before + 1} is met by"
                    " all that it is about. Put the narrower one first, or take one out"
                )
    return rules


def _covers(earlier: PermissionRule, later: PermissionRule) -> bool:
    """Whether it is met by whatever would meet the later one; of a command no path is known."""
    if later.command and earlier.tool is None and earlier.command is None:
        return False
    tool = earlier.tool in (None, "*") or earlier.tool == later.tool
    path = earlier.path is None or earlier.path == later.path
    command = _starts(later.command, earlier.command) if earlier.command else True
    return tool and path and command


def _starts(words: Sequence[str] | None, beginning: Sequence[str]) -> bool:
    return words is not None and tuple(words[: len(beginning)]) == tuple(beginning)


PermissionRules: TypeAlias = Annotated[
    tuple[PermissionRule, ...], Field(max_length=_MOST), AfterValidator(_each_can_be_reached)
]


def rules_of(own: Sequence[PermissionRule], shared: Sequence[PermissionRule]) -> tuple[Rule, ...]:
    """Those of the project, then those of the defaults."""
    lists = (("project", own), ("defaults", shared))
    return tuple(
        one.rule(f"rule {number} of the {whose}")
        for whose, rules in lists
        for number, one in enumerate(rules, 1)
    )
