"""What is left in the spool, and what the agent's own log says of a turn."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from ao_core import spool
from ao_core.spool import HookEvent, HookKind
from ao_plugins._by_turns.plan import Plan
from ao_plugins._console.later import Later

if TYPE_CHECKING:
    from ao_core.model.activity import Activity

_LINE = 200
_SKEW = timedelta(seconds=1)
_KINDS = {"blocked": HookKind.BLOCKED, "waiting_input": HookKind.WAITING_INPUT}


class Word:
    """Leaves events; without a spool none."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._folder = Path(folder) if (folder := environment.get("AO_SPOOL")) else None
        self._later = Later()

    def leave(
        self, kind: HookKind, text: str = "", token: str | None = None, native_id: str | None = None
    ) -> None:
        """One event."""
        if (folder := self._folder) is None:
            return
        event = HookEvent("", kind, datetime.now(UTC), text, token, native_id)
        with suppress(OSError):  # the screen still shows what it does
            self._later.write(lambda: spool.drop(folder, event))


def first_line(text: str) -> str:
    """What an event has of a message."""
    return text.strip().split("\n")[0][:_LINE]


def native_id(plan: Plan) -> str | None:
    """The conversation's own id, where the agent's log has one."""
    if plan.log is None or plan.logged != "lines":
        return None
    from ao_plugins._transcript import named  # costs an import that others do not need

    return named(plan.log)


def of_the_turn(plan: Plan, began: datetime) -> tuple[HookKind, str]:
    """How a turn ended that ended well: also then it may have asked something, or have failed."""
    said = _last(plan)
    if said is None or said.at < began - _SKEW:
        return HookKind.TURN_ENDED, ""
    return _KINDS.get(said.state.value, HookKind.TURN_ENDED), said.detail or ""


def _last(plan: Plan) -> "Activity | None":
    if plan.log is None:
        return None
    if plan.logged == "trae":
        from ao_plugins.agent._trae.log import last_activity

        return last_activity(plan.log)
    from ao_plugins._transcript import last_word

    return last_word(plan.log)
