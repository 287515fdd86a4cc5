"""What tmux says of its panes, and the conditions under which one may be typed to.

Conditions are tmux formats: they are judged inside tmux, in the same step as what depends on them.
https://man.openbsd.org/tmux#FORMATS
"""

import re
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from ao_core import platform
from ao_core.errors import BadRequest
from ao_core.model.session import RuntimeHandle, RuntimeReason, RuntimeState
from ao_core.process import alive
from ao_core.slots.runtime import Seen
from ao_plugins.runtime._tmux.control import command

AGENT = "@ao_agent"  # marks the agent's pane, as people may open others beside it
PASTED = "@ao_pasted"
SUBMITTED = "@ao_submitted"

_FIELDS = (
    "session_id", "session_name", AGENT, "pane_id", "pane_pid", "pid", "pane_dead",
    "pane_dead_status", "pane_dead_signal", "history_size", "history_bytes",
    "cursor_x", "cursor_y", "window_activity",
)  # fmt: skip
LIST = command("list-panes", "-a", "-F", "\t".join(f"#{{{name}}}" for name in _FIELDS))

_TEXT_LIMIT = 500
_NEVER = -1.0  # when no process began
_PANE = re.compile(r"%[0-9]{1,9}")
_GLOB = re.compile(r"[\\*?\[\]]")
_FORMAT = re.compile(r"[#,}]")


@dataclass(frozen=True, slots=True)
class Row:
    """One pane, as listed."""

    session: str
    agent: str
    pane: str
    pid: int
    server: int
    dead: bool
    status: int | None
    signal: int | None
    output: str

    def is_of(self, handle: RuntimeHandle) -> bool:
        """Whether this is the pane of that agent, and not of one with the same name or number."""
        ours = (handle.get("pane"), handle.get("pid"), handle.get("server"))
        same = ours == (self.pane, str(self.pid), str(self.server))
        return same and not _is_of_another_boot(handle)

    @property
    def told(self) -> bool:
        """Whether tmux has learned how the program ended."""
        return self.status is not None or self.signal is not None

    @property
    def lives(self) -> bool:
        """Whether the program may run. Of one that was told to have ended, the number may be
        another's by now.
        """
        return not self.told and alive(self.pid)

    def seen(self, *, runs: bool) -> Seen:
        """What is to be told of it. `runs` says what became of its process."""
        if self.told or not runs:
            return Seen(RuntimeState.EXITED, self.pid, self.status, self.signal, self.output)
        detail = "it has let go of its terminal" if self.dead else None
        return Seen(RuntimeState.ALIVE, self.pid, output=self.output, detail=detail)


def rows(listing: str, asked_at: float) -> list[Row]:
    """Read a listing. What is not a row of ours is passed over."""
    split = (line.split("\t") for line in listing.splitlines())
    return [_row(fields, asked_at) for fields in split if len(fields) == len(_FIELDS)]


def handle_of(id: str, pane: str, pid: int, server: int) -> RuntimeHandle:
    """What is kept of an agent: enough never to take another for it."""
    facts = {
        "pane": pane, "pid": str(pid), "started": _started(pid),
        "server": str(server), "server_started": _started(server), "boot": this_boot(),
    }  # fmt: skip
    return RuntimeHandle(id, "tmux", tuple(facts.items()))


def pane_of(handle: RuntimeHandle) -> str:
    """Its pane, as tmux numbers it."""
    pane = handle.get("pane") or ""
    if not _PANE.fullmatch(pane):
        raise _not_ours(handle)
    return pane


def process_of(handle: RuntimeHandle) -> tuple[int, float | None]:
    """The agent's own process, and when it began."""
    return _process(handle, "pid", "started")


def server_of(handle: RuntimeHandle) -> tuple[int, float | None]:
    """The tmux server it was started on, and when that began."""
    return _process(handle, "server", "server_started")


def absent(handle: RuntimeHandle, found: Sequence[Row]) -> Seen:
    """What is to be told of one that is not in a listing."""
    if _is_of_another_boot(handle):
        detail, why = "the machine was started anew", RuntimeReason.REBOOTED
        return Seen(RuntimeState.MISSING, detail=detail, reason=why)
    tmux, started = server_of(handle)
    if any(row.server == tmux for row in found):
        return Seen(RuntimeState.MISSING, detail="its tmux session is gone")
    if alive(tmux, started):
        detail = "its tmux server runs, but does not answer at its socket"
        return Seen(RuntimeState.PROBE_FAILED, detail=detail)
    return Seen(RuntimeState.MISSING, detail="its tmux server is gone")


def same(handle: RuntimeHandle) -> str:
    """A condition: the pane still holds this very agent, dead or alive."""
    server, pid = server_of(handle)[0], process_of(handle)[0]
    return f"#{{==:#{{pid}}/#{{pane_pid}},{server}/{pid}}}"


def running() -> str:
    """A condition: the pane's program runs."""
    return "#{==:#{pane_dead},0}"


def visible(texts: Sequence[str]) -> str:
    """A condition: one of the texts is on the screen. Each must lie within one line of it."""
    # each search says the line it was found on, or 0
    found = "".join(f"#{{C:{_literal(text)}}}" for text in texts)
    return f"#{{!=:{found},{'0' * len(texts)}}}"


def hidden(texts: Sequence[str]) -> str:
    """A condition: none of the texts is on the screen."""
    return visible(texts).replace("#{!=:", "#{==:", 1)


def every(*conditions: str) -> str:
    """A condition: all of them hold."""
    first, *rest = conditions
    return f"#{{&&:{first},{every(*rest)}}}" if rest else first


def _started(pid: int) -> str:
    started = platform.process_started(pid)
    return "" if started is None else repr(started)


def _process(handle: RuntimeHandle, pid: str, started: str) -> tuple[int, float | None]:
    try:
        began = handle.get(started)
        number, at = int(handle.get(pid) or ""), float(began) if began else None
        return number, _NEVER if _is_of_another_boot(handle) else at
    except ValueError as exc:
        raise _not_ours(handle) from exc


@cache
def this_boot() -> str:
    """What handles carry: numbers of processes, and when they began, come again after a boot."""
    return platform.boot_id()


def _is_of_another_boot(handle: RuntimeHandle) -> bool:
    return handle.get("boot") not in (None, this_boot())


def _not_ours(handle: RuntimeHandle) -> BadRequest:
    return BadRequest(f"the handle of {handle.id} is not one of tmux's")


def _literal(text: str) -> str:
    """A text to be searched as it is: neither a glob nor a format."""
    bare = text.strip()  # tmux does not see blanks at the end of a line
    if not bare or not bare.isprintable() or len(bare) > _TEXT_LIMIT:
        raise BadRequest("only a short text within one line can be looked for on a screen")
    return _FORMAT.sub(r"#\g<0>", _GLOB.sub(r"\\\g<0>", bare))


def _row(fields: Sequence[str], asked_at: float) -> Row:
    session, _, agent, pane, pid, server, dead, status, killer, *moving = fields
    return Row(
        session, agent, pane, int(pid), int(server), dead == "1",
        int(status) if status else None, _signal(killer), _output(moving, asked_at),
    )  # fmt: skip


def _signal(name: str) -> int | None:
    if not name or name.isdecimal():
        return int(name) if name else None
    known = signal.Signals.__members__.get(f"SIG{name.upper()}")
    return int(known) if known else None


def _output(moving: Sequence[str], asked_at: float) -> str:
    """Differs whenever output moved: its extent, the cursor, and the second of the last of it.

    Output within the second of the look may be followed by more that looks the same; it is marked,
    so that the next look differs once more. Too often is harmless, too seldom is not.
    """
    fresh = int(moving[-1]) >= int(asked_at)
    return ":".join(moving) + (f"+{time.monotonic_ns()}" if fresh else "")
