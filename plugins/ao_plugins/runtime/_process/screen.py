"""What is on an agent's terminal, as one would see it: made from what the agent said.

Built on pyte, https://pyte.readthedocs.io, which knows no other screen, no history of wrapped lines
and no colours here: they are looked at by nobody. What it would stumble over is kept from it.
"""

import codecs
import re
from collections import defaultdict, deque
from collections.abc import Iterable
from copy import copy
from typing import Any

import pyte
from pyte import modes
from pyte.charsets import LAT1_MAP
from pyte.screens import Char, StaticDefaultDict
from wcwidth import wcwidth

_HISTORY = 5000
_PENDING_LIMIT = 1 << 16
_WRAPPED = -1  # the column in which a line is marked that goes on in the next
_OTHER_SCREEN = frozenset({47, 1047, 1049})
_COLUMNS_132 = 3
_PASTE = 2004 << 5  # pyte numbers private modes so
_APPLICATION = 1 << 5

_PIECE = re.compile(
    r"(?P<csi>\x1b\[[0-?]*[ -/]*[@-~])"
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[PX^_][^\x1b]*(?:\x1b[^\\][^\x1b]*)*\x1b\\"
    r"|(?P<escape>\x1b[ -/]*[0-OQ-WYZ`-~\\])|(?P<text>[^\x1b]+)",
    re.ASCII,
)
_CSI = re.compile(r"\x1b\[(?:[0-9;]*[@A-HJ-MPXa-gr`]|\??[0-9;]{0,60}[hlJK]|[su])", re.ASCII)
_MODES = re.compile(rb"\x1b\[\?[0-9;]{1,60}[hl]")
_RUNS = re.compile(r"[\x00-\x7f]+|[^\x00-\x7f]")
_ASCII = {chr(code): Char(chr(code)) for code in range(128)}
_CONTROLS = re.compile(r"[\x80-\x9f\x00\x7f]")


class Screen(pyte.Screen):
    """A terminal's cells, and the lines that scrolled off it."""

    def __init__(self, columns: int, rows: int) -> None:
        self.history: deque[tuple[str, bool]] = deque(maxlen=_HISTORY)
        self._aside: tuple[Any, Any] | None = None
        super().__init__(columns, rows)

    @property
    def brackets(self) -> bool:
        """Whether the agent wants to be told where a paste begins and ends."""
        return _PASTE in self.mode

    @property
    def application(self) -> bool:
        """Whether the agent wants the arrow keys of the other kind."""
        return _APPLICATION in self.mode

    def visible(self) -> list[str]:
        """The rows of the screen."""
        return [self._row(y)[0].rstrip(" ") for y in range(self.lines)]

    def whole(self) -> list[str]:
        """All lines there are, those that were wrapped made whole."""
        found, line = list[str](), ""
        for text, wrapped in [*self.history, *(self._row(y) for y in range(self.lines))]:
            line += text
            if not wrapped:
                found.append(line.rstrip(" "))
                line = ""
        found.append(line)
        while found and not found[-1]:
            found.pop()
        return found

    def draw(self, data: str) -> None:
        """Write text where the cursor is."""
        if self.charset or modes.IRM in self.mode or self.g0_charset != LAT1_MAP:
            super().draw(data)
            return
        for text in _RUNS.findall(data):
            if text.isascii():
                self._put_ascii(text)
            elif (width := wcwidth(text)) <= 0:
                super().draw(text)
            else:
                self._put(text, width)

    def index(self) -> None:
        """Go down a line, and scroll at the last."""
        top, bottom = self.margins or (0, self.lines - 1)
        if self.cursor.y == bottom and top == 0 and self._aside is None:
            self.history.append(self._row(0))
        super().index()

    def erase_in_display(self, how: int = 0, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Erase what is before, behind or everywhere."""
        super().erase_in_display(how, *args, **kwargs)
        first = self.cursor.y if how == 0 else 0
        last = self.cursor.y if how == 1 else self.lines
        for y in range(first, last):
            self.buffer[y].pop(_WRAPPED, None)
        if how == 3:
            self.history.clear()

    def set_mode(self, *numbers: int, **kwargs: Any) -> None:  # noqa: ANN401
        """Switch something on; the other screen, too."""
        private = bool(kwargs.get("private"))
        if private and self._aside is None and _OTHER_SCREEN & {*numbers}:
            self._aside = self.buffer, copy(self.cursor)
            self.buffer = defaultdict(self._blank)
        super().set_mode(*_kept(numbers, private=private), **kwargs)

    def reset_mode(self, *numbers: int, **kwargs: Any) -> None:  # noqa: ANN401
        """Switch something off."""
        private = bool(kwargs.get("private"))
        if private and self._aside is not None and _OTHER_SCREEN & {*numbers}:
            (self.buffer, self.cursor), self._aside = self._aside, None
        super().reset_mode(*_kept(numbers, private=private), **kwargs)

    def reset(self) -> None:
        """Begin anew."""
        self._aside = None
        super().reset()

    def _blank(self) -> StaticDefaultDict[int, Char]:
        return StaticDefaultDict(self.default_char)

    def _put(self, char: str, width: int) -> None:
        x, line = self._room(width)
        line[x] = Char(char)
        if width == 2:
            line[x + 1] = Char("")
        self.cursor.x = x + width

    def _put_ascii(self, text: str) -> None:
        """As much at once as a row takes: this is nearly all that is ever drawn."""
        while text:
            x, line = self._room(1)
            part, text = text[: self.columns - x], text[self.columns - x :]
            line.update(enumerate(map(_ASCII.__getitem__, part), x))
            self.cursor.x = x + len(part)

    def _room(self, width: int) -> tuple[int, dict[int, Char]]:
        """Where something so wide is put: the column, and the row's cells."""
        if self.cursor.x + width > self.columns:
            self._wrap(width)
        x, line = self.cursor.x, self.buffer[self.cursor.y]
        if x == 0:
            line.pop(_WRAPPED, None)
        return x, line

    def _wrap(self, width: int) -> None:
        if modes.DECAWM not in self.mode:
            self.cursor.x = self.columns - width
            return
        self.buffer[self.cursor.y][_WRAPPED] = self.default_char
        self.carriage_return()
        self.linefeed()

    def _row(self, y: int) -> tuple[str, bool]:
        """A row's text, and whether it goes on in the next one."""
        line = self.buffer[y]
        wrapped, last = _WRAPPED in line, max(line, default=-1)
        text = "".join(line[x].data for x in range(min(last + 1, self.columns)))
        return (text if wrapped else text.rstrip(" ")), wrapped


class Feed:
    """Takes what an agent says, in whatever pieces, to its screen."""

    def __init__(self, columns: int, rows: int) -> None:
        self.screen = Screen(columns, rows)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._pending = ""
        self._stream = self._new_stream()

    def take(self, data: bytes) -> None:
        """Show some of it."""
        text = self._pending + self._decoder.decode(data)
        at = 0
        while at < len(text) and (found := _PIECE.match(text, at)):
            at = found.end()
            self._show(found)
        self._pending = text[at:]
        if len(self._pending) > _PENDING_LIMIT:  # no sequence is as long as that
            self._pending = self._pending[1:]

    def skim(self, data: bytes) -> None:
        """Pass over some of it, but for the modes that it switched."""
        for found in _MODES.finditer(data):
            self._send(found[0].decode())

    def _show(self, found: "re.Match[str]") -> None:
        if text := found["text"]:
            self._send(_CONTROLS.sub("", text))
        elif found["escape"] or (found["csi"] and _CSI.fullmatch(found["csi"])):
            self._send(found[0])

    def _send(self, text: str) -> None:
        try:
            self._stream.feed(text)
        except (TypeError, ValueError, LookupError):  # no sequence that pyte can take
            self._stream = self._new_stream()

    def _new_stream(self) -> pyte.Stream:
        stream = pyte.Stream(self.screen)
        stream.use_utf8 = False  # or it has no lines and corners
        return stream


def _kept(numbers: Iterable[int], *, private: bool) -> list[int]:
    """But for the mode that would change the screen's width."""
    return [number for number in numbers if not (private and number == _COLUMNS_132)]
