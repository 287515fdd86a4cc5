"""tmux as a command pipe: one control-mode client instead of a process for each command.

https://github.com/tmux/tmux/wiki/Control-Mode

Each line sent is followed by one that makes tmux say a word nobody else knows; what comes before
the word is the line's answer. So answers are told apart even if an agent prints what looks like
tmux's own framing, or if somebody stopped waiting for theirs. `no-output` keeps agents' output away
from this pipe; it would freeze every pane if we did not keep up.
"""

import asyncio
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from ao_core.errors import BadRequest, CommandFailed, TimedOut, Unavailable
from ao_core.ids import new_token
from ao_core.pipe import Pipe
from ao_core.redact import visible

KEEPER = "_keeper"  # the session our client sits in; no agent's name begins with `_`
IDLE = ("true", "-")  # what that session is started with; it ends at once, its pane stays
DEADLINE = 10.0

_ATTACH = (
    "-C", "new-session", "-A", "-s", KEEPER, "-x", "80", "-y", "24",
    "-f", "no-output,ignore-size", "--", *IDLE,
)  # fmt: skip
_SPECIAL = re.compile(r'[\\"$~\x01-\x1f\x7f]')
_QUOTE_LIMIT = 200

Answer = tuple[str, ...]


class TmuxRefused(CommandFailed):
    """tmux did not do what it was asked."""


def command(*words: str) -> str:
    """Write one tmux command, so that its parser reads back these very words."""
    return " ".join(quoted(word) for word in words)


def quoted(word: str) -> str:
    """Write one word for tmux's parser, on one line."""
    if "\0" in word:
        raise BadRequest("tmux cannot be given a NUL character")
    return '"' + _SPECIAL.sub(_escaped, word) + '"'


@dataclass(slots=True)
class _Question:
    """A line that was sent, and the word its answer ends with."""

    word: bytes
    answer: asyncio.Future[Answer]
    lines: list[bytes] = field(default_factory=list[bytes])


class Control:
    """Asks one tmux server. Starts client and server when there are none (any more)."""

    def __init__(self, tmux: Sequence[str], env: Mapping[str, str]) -> None:
        self.asked = 0
        self.deadline = DEADLINE
        self._argv = (*tmux, *_ATTACH)
        self._env = env
        self._lock = anyio.Lock()
        self._client: _Client | None = None

    async def ask(self, *commands: str) -> Answer:
        """Run commands as one list; what each printed. A failure ends the list, and is raised."""
        line = _encoded(" ; ".join(commands))
        try:
            with anyio.fail_after(self.deadline):
                client = await self._connected()
                self.asked += 1
                return await client.ask(line)
        except TimeoutError as exc:
            await self.aclose()  # what was not read yet must not be obeyed later
            raise TimedOut(f"tmux did not answer within {self.deadline:g} s") from exc

    @property
    def connected(self) -> bool:
        """Whether there is a client now."""
        return self._client is not None and not self._client.pipe.ended

    async def aclose(self) -> None:
        """Let the client go, also one that is just being started; server and agents stay."""
        with anyio.CancelScope(shield=True):
            async with self._lock:
                await self._let_go()

    async def _let_go(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.pipe.aclose()

    async def _connected(self) -> "_Client":
        async with self._lock:
            if self._client is None or self._client.pipe.ended:
                await self._let_go()
                client = _Client()
                await client.pipe.start(self._argv, env=self._env)
                self._client = client
            return self._client


class _Client:
    """One run of tmux's client, and the questions it has yet to answer."""

    def __init__(self) -> None:
        self.pipe = Pipe(self._hear, self._end)
        self._questions: deque[_Question] = deque()

    async def ask(self, line: bytes) -> Answer:
        question = _Question(new_token().encode(), asyncio.get_running_loop().create_future())
        self._questions.append(question)
        self.pipe.send(line + b"\ndisplay-message -p " + question.word + b"\n")
        return await question.answer

    def _hear(self, line: bytes) -> None:
        if not self._questions:
            return  # a notification
        head = self._questions[0]
        if line == head.word:
            self._questions.popleft()
            _settle(head)
        else:
            head.lines.append(line)

    def _end(self) -> None:
        for question in self._questions:
            _fail(question)
        self._questions.clear()


def _settle(question: _Question) -> None:
    if question.answer.done():
        return  # nobody waits any more
    blocks = list(_blocks(question.lines))
    failed = next((text for ok, text in blocks if not ok), None)
    if failed is None:
        question.answer.set_result(tuple(text for _, text in blocks))
    else:
        question.answer.set_exception(TmuxRefused(f"tmux: {visible(failed, _QUOTE_LIMIT)}"))


def _fail(question: _Question) -> None:
    if not question.answer.done():
        said = b" ".join(line for line in question.lines if not line.startswith(b"%"))
        detail = visible(said.decode(errors="replace"), _QUOTE_LIMIT).strip()
        message = f"tmux went away: {detail}" if detail else "tmux went away"
        question.answer.set_exception(Unavailable(message))


def _blocks(lines: Sequence[bytes]) -> Iterator[tuple[bool, str]]:
    """What each command printed, and whether it succeeded. A block ends with its own number."""
    at = 0
    while at < len(lines):
        kind, _, number = lines[at].partition(b" ")
        at += 1
        # the 1 says that it was asked for here
        ours = kind == b"%begin" and number.endswith(b" 1")
        end = _end(lines, at, number) if ours else None
        if end is not None:
            text = b"\n".join(lines[at:end]).decode(errors="replace")
            yield lines[end].startswith(b"%end "), text
            at = end + 1


def _end(lines: Sequence[bytes], start: int, number: bytes) -> int | None:
    # the last one: a screen may hold a forged one, but nothing after the true one can
    ends = (b"%end " + number, b"%error " + number)
    return next((at for at in range(len(lines) - 1, start - 1, -1) if lines[at] in ends), None)


def _escaped(match: re.Match[str]) -> str:
    char = match[0]
    return f"\\{char}" if char >= " " and char != "\x7f" else f"\\{ord(char):03o}"


def _encoded(line: str) -> bytes:
    try:
        return line.encode()
    except UnicodeEncodeError as exc:
        raise BadRequest("the text is not valid unicode") from exc
