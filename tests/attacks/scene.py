"""Two workers of one project: one that attacks, and one that is attacked."""

import json
import shlex
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from ao_core.errors import AoError
from ao_core.store.records import SETTLED
from team import Team, eventually

_INSIDE = Path(__file__).with_name("inside.py")


@dataclass(slots=True)
class Scene:
    """`me` obeys whoever attacks; the person at its keyboard allows whatever it runs."""

    team: Team
    me: str
    other: str
    folder: Path
    _numbers: "count[int]" = field(default_factory=count)

    # -- what is there -----------------------------------------------------------------------------

    @property
    def ao(self) -> str:
        """The command line, as workers find it."""
        return str(self.team.home / "bin" / "ao")

    @property
    def tmux(self) -> list[str]:
        """The terminals' server, as anybody of this user can reach it."""
        places = (folder / "tmux" for folder in self.team.folders)
        return ["tmux", "-S", str(next(place for place in places if place.exists()))]

    def tree(self, session: str) -> Path:
        """A worker's work tree."""
        return Path(self.shown(session)["path"])

    def spool(self, session: str) -> Path:
        """Where a worker's hooks leave their events."""
        (found,) = self.team.home.glob(f"*/spool/{session}")
        return found

    def shown(self, session: str) -> dict[str, Any]:
        """All facts of one."""
        return self.team.sure("show", session=session)

    # -- what happens ------------------------------------------------------------------------------

    def does(self, act: str, raised: str = "", *, left: bool = False, **how: Any) -> dict[str, Any]:
        """Have it done by a process of the attacker's, and wait for what came of it.

        `raised` names a request of its own that waits meanwhile; `left` means a process that has
        left its family.
        """
        file = self.orders(act, raised, left=left, **how)
        if raised:
            request = f"{self.me}.{raised}"
            self.team.until_so(self.me, lambda now: request in _pending(now))
            file.with_suffix(".go").touch()
        try:
            eventually(file.with_suffix(".done").exists)
        except AssertionError as exc:
            raise AssertionError(self.team.screen(self.me)) from exc
        self.rests(self.me)
        return json.loads(file.with_suffix(".done").read_text())

    def orders(self, act: str, raised: str = "", *, left: bool = False, **how: Any) -> Path:
        """Have it begun."""
        file = self.folder / f"{next(self._numbers)}.order"
        bare = {name: value for name, value in self.team.env.items() if "TOKEN" not in name}
        order = {"act": act, "raised": raised, "left": left, "how": how, "bare": bare}
        file.write_text(json.dumps(order))
        command = shlex.join([sys.executable, "-I", str(_INSIDE), str(file)])
        self.tells(self.me, f"do: run {command}")
        self.allows(command)
        return file

    def tells(self, session: str, script: str) -> None:
        """The lead says something to one."""
        assert self.team.tell(session, script)["state"] == "accepted"

    def settled(self, session: str, message: str) -> None:
        """Wait for a message's last receipt."""

        def known(now: dict[str, Any]) -> bool:
            states = {one["message"]: one["state"] for one in now["messages"]}
            return states[message] in SETTLED

        self.team.until_so(session, known)

    def allows(self, command: str) -> None:
        """The person allows what it was told to run."""
        shown = self.team.until_so(self.me, lambda now: command in _pending(now).values())
        request = next(id for id, what in _pending(shown).items() if what == command)
        self.team.sure("answer", session=self.me, request=request, decision="allow")

    @contextmanager
    def asked(self, session: str) -> Generator[str]:
        """While a worker waits for a permission."""
        self.tells(session, "do: run touch allowed.txt")
        yield next(iter(_pending(self.team.until_so(session, _pending))))
        self.rests(session)

    def waits(self, session: str, request: str) -> bool:
        """Whether a request is open."""
        return request in _pending(self.shown(session))

    def rests(self, session: str) -> None:
        """Deny what it asks, until it has nothing to do."""

        def ready(now: dict[str, Any]) -> bool:
            return now["state"] == "idle" or bool(_pending(now))

        while pending := _pending(self.team.until_so(session, ready)):
            for request in pending:
                try:
                    self.team.deny(session, request)
                except AoError as error:  # somebody was faster
                    assert error.code in ("not_found", "wrong_state"), error.message  # noqa: PT017


def _pending(shown: dict[str, Any]) -> dict[str, str]:
    return {one["request"]: one["arguments"] for one in shown["permissions_pending"]}
