"""What an agent's permission hook runs: it asks the engine, and says its answer in the agent's way.

Whoever answers first wins: the agent shows its own dialog meanwhile, and where a person answers
that, its log has the tool's result, which ends the question here. Where no engine answers, the hook
says nothing, the dialog stays, and the spool tells of it.
"""

import json
import os
import sys
import threading
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import cast

from ao_core import spool, wire
from ao_core.errors import AoError, EngineRestarted, EngineUnreachable
from ao_core.spool import HookEvent, HookKind
from ao_plugins._permit_dialects import DIALECTS, Question
from ao_plugins._tool_uses import result_at

_PATIENCE = 3_600.0
_AGAIN, _LOOK = 0.25, 0.5
_LONGEST = 2_000
_PARENT = os.getppid()


def main() -> int:
    """Read the question from standard input, and write the answer, if there is one."""
    dialect = DIALECTS[sys.argv[1]]
    asked = dialect.read(json.load(sys.stdin))
    over = threading.Event()
    if asked.log is not None:
        threading.Thread(target=_watch, args=(asked, over), daemon=True).start()
    said = (True, "") if asked.ours else ask(asked, over)
    if _is_orphan():
        return 0  # its agent is gone, and the question with it
    if said is not None:
        sys.stdout.write(json.dumps(dialect.answer(*said)) + "\n")
    elif over.is_set() and asked.log is not None:  # since when it is, its log says
        _tell(HookKind.PERMISSION_ENDED, asked, result_at(asked.log, asked.id))
    else:
        unanswered(asked)
    return 0


def ask(asked: Question, over: threading.Event) -> tuple[bool, str] | None:
    """Whether it may, and what was said to it; None where nobody answered."""
    found: list[tuple[bool, str] | None] = []

    def wait() -> None:
        found.append(_asked(asked, over))
        over_or_done.set()

    over_or_done = threading.Event()
    threading.Thread(target=wait, daemon=True).start()
    while not over_or_done.wait(_LOOK) and not over.is_set() and not _is_orphan():
        pass
    return found[0] if found else None


def _is_orphan() -> bool:
    return os.getppid() != _PARENT


def _asked(asked: Question, over: threading.Event) -> tuple[bool, str] | None:
    socket, until = os.environ.get("AO_SOCKET"), monotonic() + _PATIENCE
    while socket and not over.is_set() and (left := until - monotonic()) > 0:
        try:
            return _put(socket, asked, left)
        except (EngineUnreachable, EngineRestarted):
            over.wait(_AGAIN)  # it may come back: the same id asks only once
        except AoError:
            return None
    return None


def _put(socket: str, asked: Question, deadline: float) -> tuple[bool, str] | None:
    token = os.environ.get("AO_TOKEN", "")
    preamble = wire.Preamble(
        wire.OPERATIONS, "worker", cwd=os.getcwd(), pid=os.getpid(), token=token
    )
    params = {"tool_name": asked.tool, "input": asked.arguments, "tool_use_id": asked.id}
    reply = wire.call(socket, preamble, "approve", params, deadline)
    if reply.get("behavior") not in ("allow", "deny"):
        return None
    return reply["behavior"] == "allow", str(reply.get("message") or "")


def _watch(asked: Question, over: threading.Event) -> None:
    """Until its log has the tool's result, though nobody has answered here."""
    log = cast("Path", asked.log)
    while not over.wait(_LOOK):
        if result_at(log, asked.id):
            over.set()


def unanswered(asked: Question) -> None:
    """Tell that the agent's own dialog is open now, since no engine has answered."""
    _tell(HookKind.PERMISSION_ASKED, asked)


def _tell(kind: HookKind, asked: Question, at: datetime | None = None) -> None:
    folder = os.environ.get("AO_SPOOL")
    if folder is None:
        return
    shown = json.dumps(asked.arguments, ensure_ascii=False)[:_LONGEST]
    event = HookEvent(
        asked.id, kind, at or datetime.now(UTC), tool=asked.tool[:100], arguments=shown
    )
    with suppress(OSError):
        spool.drop(Path(folder), event)


if __name__ == "__main__":
    sys.exit(main())
