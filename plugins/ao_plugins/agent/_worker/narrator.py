"""What a turn does, told as `session/update`: the plan, the tools, what is said."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal, TypeAlias

from ao_plugins.agent._worker.script import Step
from ao_plugins.agent._worker.turn import DENIED, Audience

Update: TypeAlias = Mapping[str, object]
_Status: TypeAlias = Literal["pending", "in_progress", "completed", "failed"]

_KINDS = {"write": "edit", "append": "edit", "commit": "execute", "run": "execute"}
_SPOKEN = frozenset(
    {"say", "ask", "crash", "loop", "spend", "quota"}
)  # the others are shown as tools
_LONGEST_TITLE = 200
_LONGEST_PLAN = 40  # of a longer one, only the beginning and the end are told
_CHATTER = 150


class Narrator(Audience):
    """Tells it as it happens. `words` counts what was said, `tokens` what else was used."""

    def __init__(
        self, tell: Callable[[Update], None], workspace: Path, *, chatty: bool = False
    ) -> None:
        self._tell, self._workspace, self._chatty = tell, workspace, chatty
        self._turn, self._rounds = 0, Counter[int]()
        self._steps: tuple[Step, ...] = ()
        self._now, self._done = 0, 0
        self._call: str | None = None
        self._said: str | None = None
        self._messages = 0
        self.words, self.tokens = 0, 0

    def opens(self, turn: int) -> None:
        """The turn with this number begins."""
        self._turn, self._rounds = turn, Counter[int]()
        self._steps, self._said = (), None

    # -- what is done ------------------------------------------------------------------------------

    def planned(self, steps: tuple[Step, ...], done: int) -> None:
        """Tell what there is to do."""
        self._steps, self._done = steps, done
        self._plan()

    def begins(self, number: int, step: Step) -> None:
        """Turn to a step; one that asks for permission waits for it."""
        self._now = number
        if self._done < number and len(self._steps) <= _LONGEST_PLAN:
            self._plan(number)
        self._chatter()
        if step.verb in _SPOKEN:
            return
        self._call = self._name(number)
        self._tool("tool_call", "pending", **self.call(step))
        if step.verb != "run":
            self.works()

    def works(self) -> None:
        """Nothing is in the way any more."""
        self._tool("tool_call_update", "in_progress", toolCallId=self._call)

    def did(self, step: Step, said: str) -> None:
        """Be through with a step."""
        self._done = max(self._done, self._now)
        if step.verb == "say":
            self.says(said)
        elif step.verb not in _SPOKEN:
            self._finish(_status(said), said)

    def spent(self, cost: float, tokens: int) -> None:
        """Tell what it has cost so far; of tokens the end of the turn tells."""
        self.tokens = tokens
        price = {"amount": cost, "currency": "USD"}
        self._tell({"sessionUpdate": "usage_update", "used": tokens, "size": 10**6, "cost": price})

    def closes(self, said: str) -> None:
        """End the turn; its last word is told unless it just was."""
        self._finish("failed", said)  # there is one only if something went wrong
        self._plan()
        if said != self._said:
            self.says(said)

    def remembers(self, number: int, step: Step, said: str) -> None:
        """Tell of a step of long ago."""
        if step.verb == "say":
            self.says(said)
        elif step.verb not in _SPOKEN:
            self._call = self._name(number)
            self._tool("tool_call", _status(said), **self.call(step), content=_content(said))
            self._call = None

    def call(self, step: Step) -> Mapping[str, object]:
        """The tool call that is under way."""
        path = str(self._workspace / step.argument)
        return {
            "toolCallId": self._call,
            "title": _title(step),
            "kind": _KINDS.get(step.verb, "other"),
            "rawInput": _input(step),
            "locations": [{"path": path}] if step.verb in ("write", "append") else [],
        }

    # -- what is said ------------------------------------------------------------------------------

    def says(self, text: str) -> None:
        """Say something, apart from what was said just before."""
        self.words += len(text.split())
        apart = "" if self._said is None else "\n"
        self._messages += 1
        self._chunks("agent_message_chunk", self._pieces(apart + text))
        self._said = text

    def hears(self, text: str) -> None:
        """Show what the other side said."""
        self._messages += 1
        self._chunks("user_message_chunk", [text])
        self.listens()

    def listens(self) -> None:
        """The other side has said something."""
        self._said = None

    def _pieces(self, text: str) -> Iterable[str]:
        return text if self._chatty else [text]

    def _chatter(self) -> None:
        if self._chatty:
            self.says("." * _CHATTER)
            self._chunks("agent_thought_chunk", ["hm "] * _CHATTER)
            self._said = None

    def _chunks(self, kind: str, pieces: Iterable[str]) -> None:
        message = f"{self._turn}-{self._messages}"
        for piece in pieces:
            content = {"type": "text", "text": piece}
            self._tell({"sessionUpdate": kind, "content": content, "messageId": message})

    # -- parts -------------------------------------------------------------------------------------

    def _plan(self, now: int = 0) -> None:
        def entry(number: int, step: Step) -> Update:
            status = "completed" if number <= self._done else "pending"
            status = "in_progress" if number == now else status
            return {"content": _title(step), "priority": "medium", "status": status}

        entries = [entry(number, step) for number, step in enumerate(self._steps, 1)]
        if entries:
            self._tell({"sessionUpdate": "plan", "entries": entries})

    def _finish(self, status: _Status, said: str) -> None:
        if self._call is not None:
            call, self._call = self._call, None
            self._tool("tool_call_update", status, toolCallId=call, content=_content(said))

    def _tool(self, update: str, status: _Status, **about: object) -> None:
        self._said = None
        self._tell({"sessionUpdate": update, "status": status, **about})

    def _name(self, number: int) -> str:
        self._rounds[number] += 1
        again = f".{self._rounds[number]}" if self._rounds[number] > 1 else ""
        return f"{self._turn}.{number}{again}"


def _status(said: str) -> _Status:
    return "failed" if said.startswith(DENIED) else "completed"


def _content(said: str) -> list[Update]:
    return [{"type": "content", "content": {"type": "text", "text": said}}]


def _title(step: Step) -> str:
    return " ".join(f"{step.verb} {step.argument}".split())[:_LONGEST_TITLE]


def _input(step: Step) -> Update:
    match step.verb:
        case "write" | "append":
            return {"path": step.argument}
        case "commit":
            return {"message": step.argument}
        case "run":
            return {"command": step.argument}
        case verb:
            return {verb: step.argument}
