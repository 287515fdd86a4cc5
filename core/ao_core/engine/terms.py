"""What holds for a worker's permission requests: its project's configuration, as it is now."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ao_core.model.rule import Rule
from ao_core.model.session import Session

if TYPE_CHECKING:
    from ao_core.engine.engine import Engine


@dataclass(frozen=True, slots=True)
class Terms:
    """What a project allows unasked, what it rules, and how long an answer is waited for."""

    commands: Sequence[Sequence[str]] = ()
    rules: Sequence[Rule] = ()
    timeout: timedelta | None = None


async def terms_of(engine: "Engine", session: Session) -> Terms:
    """The terms of a session's project."""
    settings = await engine.projects.current(await engine.project_of(session))
    return Terms(settings.allow_commands, settings.permission_rules, settings.permission_timeout)
