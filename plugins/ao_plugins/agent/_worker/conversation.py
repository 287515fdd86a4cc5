"""A conversation by protocol: one prompt at a time, in which one turn or its rest is done."""

from collections.abc import Callable
from dataclasses import dataclass, field

from ao_core.drive.loose import mapping
from ao_core.drive.messages import BAD_REQUEST, Id, Params
from ao_plugins._console.draft import bare
from ao_plugins.agent._worker.acp import Refusal, Wire
from ao_plugins.agent._worker.deeds import words
from ao_plugins.agent._worker.journal import Past
from ao_plugins.agent._worker.narrator import Narrator
from ao_plugins.agent._worker.progress import Ending, Progress
from ao_plugins.agent._worker.script import COMMAND, ScriptError, Step, parse
from ao_plugins.agent._worker.turn import Doer, Permit, steps_of

_OPTIONS = [
    {"optionId": "allow_once", "name": "Yes", "kind": "allow_once"},
    {"optionId": "allow_always", "name": "Yes, and this program always", "kind": "allow_always"},
    {"optionId": "reject_once", "name": "No", "kind": "reject_once"},
]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is being answered."""

    id: Id


@dataclass(slots=True)
class Conversation:
    """Told what the other side wants; tells what comes of it. `past` is what it begins with."""

    wire: Wire
    doer: Doer
    narrator: Narrator
    past: Past
    permissionless: bool
    over: int | None = None
    progress: Progress = field(init=False)
    _turns: int = field(init=False)
    _prompt: Prompt | None = None
    _given: str | None = None  # the answer to a question that was open when the last process ended
    _next: str | None = None
    _asked: dict[int, Callable[[str], None]] = field(
        default_factory=dict[int, Callable[[str], None]]
    )
    _requests: int = 0
    _heard: int = 0  # words, in all
    _always: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        self.progress = Progress(self.wire.aside, self.doer, self)
        self._turns = self.past.turns

    @property
    def busy(self) -> bool:
        """Whether a prompt is under way."""
        return self._prompt is not None

    # -- what comes in -----------------------------------------------------------------------------

    def prompt(self, id: Id, text: str) -> None:
        """Take a turn, go on with the one that is open, or both."""
        if self.busy:
            raise Refusal(BAD_REQUEST, "a prompt is under way already", id)
        self._prompt, self._heard = Prompt(id), self._heard + len(text.split())
        self.narrator.listens()
        if text == COMMAND:
            self.narrator.says(f"{self._turns} turns so far")
            return self._reply("end_turn")
        text = bare(text)
        if self.progress.asking:
            self.progress.answer(text)
        elif self.past.task is not None:
            self._resume(self.past, text)
        else:
            self._begin(text)

    def cancel(self) -> None:
        """Leave the turn."""
        self._asked.clear()
        self._next = None
        self.progress.interrupt()

    def answered(self, id: Id | None, result: Params) -> None:
        """An answer came; one that nobody waits for any more is let be."""
        then = self._asked.pop(id, None) if isinstance(id, int) else None
        if then is None:
            return
        outcome = mapping(result.get("outcome"))
        if outcome.get("outcome") == "cancelled":
            self.cancel()
        else:
            then(str(outcome.get("optionId")))

    # -- the turn ----------------------------------------------------------------------------------

    def _resume(self, past: Past, text: str) -> None:
        self.past = Past(past.native_id)
        self._given, self._next = (text, None) if _asks(past) else (None, _scripted(text))
        self.narrator.opens(self._turns)
        self.progress.begin(self.doer.resumed(past))

    def _begin(self, text: str) -> None:
        self._turns += 1
        self.narrator.opens(self._turns)
        self.progress.begin(self.doer.turn(text, first=self._turns == 1))

    def asked(self, question: str) -> None:
        """The turn wants an answer: that of the next prompt, unless this one brought it."""
        self.narrator.says(question)
        given, self._given = self._given, None
        if given is not None:
            self.progress.answer(given)
        else:
            self._reply("end_turn", question=question)

    def permit(self, wish: Permit, then: Callable[[str], None]) -> None:
        """The turn wants to be allowed something."""
        program = words(wish.arguments)[0]
        if self.permissionless or program in self._always:
            self.narrator.works()
            return then("allow")

        def chosen(option: str) -> None:
            if option == "allow_always":
                self._always.add(program)
            allowed = option in ("allow_once", "allow_always")
            if allowed:
                self.narrator.works()
            then("allow" if allowed else "deny")

        self._ask(wish, chosen)

    def ended(self, said: str, ending: Ending) -> None:
        """The turn is over, and with it the prompt, unless that asked for more."""
        self._given = None
        self.narrator.closes(said)
        text, self._next = self._next, None
        if text is not None:
            self._begin(text)
        elif ending == "interrupted":
            self._reply("cancelled")
        elif ending == "blocked":
            self._reply("end_turn", blocked=said)
        else:
            self._reply("end_turn")

    def crashed(self, status: int) -> None:
        """The script ends the worker."""
        self.over = status

    # -- what goes out -----------------------------------------------------------------------------

    def _ask(self, wish: Permit, chosen: Callable[[str], None]) -> None:
        self._requests += 1
        self._asked[self._requests] = chosen
        call = self.narrator.call(Step(wish.tool, wish.arguments))
        asked = {"sessionId": self.past.native_id, "toolCall": call, "options": _OPTIONS}
        self.wire.request(self._requests, "session/request_permission", asked)

    def _reply(self, stop: str, **about: str) -> None:
        prompt, self._prompt = self._prompt, None
        if prompt is None:  # cancelled between two prompts, while a question was open
            return
        said = self.narrator.words + self.narrator.tokens
        total = self._heard + said
        usage = {"totalTokens": total, "inputTokens": self._heard, "outputTokens": said}
        meta = {"_meta": {"ao": about}} if about else {}
        self.wire.answer(prompt.id, {"stopReason": stop, "usage": usage, **meta})


def _asks(past: Past) -> bool:
    """Whether it is the answer to a question that is missing."""
    if not past.waits:
        return False
    steps = steps_of(past.task or "", first=past.turns == 1)
    return past.done < len(steps) and steps[past.done].verb == "ask"


def _scripted(text: str) -> str | None:
    """The text, if it says what to do."""
    try:
        return text if parse(text) else None
    except ScriptError:
        return text  # which becomes known when it is its turn
