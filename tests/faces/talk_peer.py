"""A conversation played by a thread: what `transcript` and its companions tell of it."""

import threading
import time
from typing import Any

from ao_core.drive.transcript import Part, Transcript
from ao_core.errors import Unknown


class Talk:
    """Answers as an engine does whose agent says what the test says."""

    def __init__(self, session: str = "sam-1") -> None:
        self.session = session
        self.transcript = Transcript()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._news = threading.Condition()
        self._moves = 0
        self._standing: dict[str, Any] = {
            "status": "idle", "turn": False, "ended": False, "life": 1, "question": None,
            "reason": "turn_ended", "permissions": [],
            "input_tokens": None, "output_tokens": None, "cost_usd": None,
        }  # fmt: skip
        self.replies: dict[str, dict[str, Any]] = {
            "send": {"message": "m1", "state": "accepted", "reason": None},
            "answer": {"session": session, "state": "answered", "decision": "allow"},
            "interrupt": {"session": session},
        }
        self.shown: dict[str, Any] = {
            "session": session, "status": "idle", "reason": "turn_ended", "drive": "protocol",
            "attach": ["ao", "attach", session], "why": "", "exit_status": None,
        }  # fmt: skip

    def add(self, part: Part, text: str, **more: str) -> None:
        """Something is said."""
        with self._news:
            self.transcript.add(part, text, **more)
            self._news.notify_all()

    def chunk(self, text: str, part: Part = Part.AGENT) -> None:
        """The agent goes on speaking."""
        with self._news:
            self.transcript.chunk(part, text)
            self._news.notify_all()

    def set(self, part: Part, id: str, text: str, state: str = "", detail: str = "") -> None:
        """Something changes."""
        with self._news:
            self.transcript.set(part, id, text, state, detail)
            self._news.notify_all()

    def stand(self, **standing: Any) -> None:
        """The session moves."""
        with self._news:
            self._standing |= standing
            self._moves += 1
            self._news.notify_all()

    def asks(self, *requests: tuple[str, str, str]) -> None:
        """It waits for these permissions: id, tool, arguments."""
        pending = [
            {"request": id, "tool": tool, "arguments": about, "since": "2026-01-01T00:00:00"}
            for id, tool, about in requests
        ]
        self.stand(permissions=pending, status="needs_input", turn=True)

    def end(self, **shown: Any) -> None:
        """The agent ends."""
        self.shown |= {"attach": [], **shown}
        self.stand(ended=True, turn=False, **shown)

    def heard(self, method: str) -> list[dict[str, Any]]:
        """The calls of an operation so far, without their keys."""
        with self._news:
            found = [dict(params) for name, params in self.calls if name == method]
        for params in found:
            params.pop("key", None)
        return found

    def answer(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        """One call."""
        with self._news:
            self.calls.append((method, params))
            if method == "transcript":
                return self._transcript(params["after"], params["standing"], params["seconds"])
            if method == "show":
                return self.shown
            if method in self.replies:
                return self.replies[method]
        raise Unknown(f"There is no {method} here.")

    def _transcript(self, after: int, standing: str | None, seconds: float) -> dict[str, Any]:
        until, known = time.monotonic() + seconds, standing or str(self._moves)
        while self.transcript.changes <= after and str(self._moves) == known:
            if not self._news.wait(max(0.0, until - time.monotonic())):
                break
        items = [
            {"number": one.number, "changed": one.changed, "part": str(one.part),
             "text": one.text, "state": one.state, "detail": one.detail}
            for one in self.transcript.since(after)
        ]  # fmt: skip
        change = max([after, *(one["changed"] for one in items)])
        told = {"items": items, "change": change, "standing": str(self._moves)}
        return {**self._standing, **told}
