"""A line for a shell, taken apart as far as that is sure: the commands it is made of, in words.

Nothing is run or looked up. Where the words of a line depend on what only a shell knows, that is
said, and nobody has to believe that there is no more to it. Pure.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST = 8_000
_MOST = 300  # words
_EXPANDED = frozenset("*?[")
_QUOTING = frozenset("\\'\"$`")
_APART = frozenset(";&|()\n")
_KEYWORDS = frozenset({
    "!", "if", "then", "elif", "else", "do", "while", "until", "{", "}", "fi", "done",
    "esac",
})  # fmt: skip
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*(\[[^\]]*\])?\+?=")
_RUNS = re.compile(r"`|\$[('\"]")
_OPAQUE = re.compile(r"<<|[<>]\(")
_ESCAPED = frozenset('$`"\\\n')  # what a backslash takes the power from, between double quotes


@dataclass(frozen=True, slots=True)
class Word:
    """One word. One that is not `sure` may become any other, several, or none."""

    text: str
    sure: bool = True


@dataclass(frozen=True, slots=True)
class Script:
    """The commands of a line, and every word of it, also of those that name where output goes.

    One that is not `whole` may do more, or other things.
    """

    parts: tuple[tuple[Word, ...], ...]
    words: tuple[Word, ...]
    whole: bool = True


NOBODY_KNOWS = Script((), (), whole=False)


def plain(words: Sequence[str]) -> Script:
    """A command whose words are known."""
    if len(words) > _MOST or sum(map(len, words)) > _LONGEST:
        return NOBODY_KNOWS
    known = tuple(map(Word, words))
    return Script((known,), known)


def taken_apart(line: str) -> Script:
    """What a shell would start, as far as that can be told."""
    if len(line) > _LONGEST or not line.strip() or "\0" in line:
        return NOBODY_KNOWS
    return _Scanner(line).run()


def bare(part: Sequence[Word]) -> Sequence[Word]:
    """The command itself, without keywords and assignments before it."""
    for place, word in enumerate(part):
        if word.text not in _KEYWORDS and not _ASSIGNMENT.match(word.text):
            return part[place:]
    return ()


class _Scanner:
    """Goes through a line once, from left to right; what it does not know ends it."""

    def __init__(self, line: str) -> None:
        self._line, self._at = line, 0
        self._letters: list[str] | None = None  # of the word under way
        self._sure, self._whole = True, True
        self._aside = False  # the next word says where output goes
        self._part: list[Word] = []
        self._parts: list[tuple[Word, ...]] = []
        self._words: list[Word] = []

    def run(self) -> Script:
        while self._at < len(self._line) and self._whole:
            self._step(self._line[self._at])
        self._end_part()
        self._whole = self._whole and len(self._words) <= _MOST
        return Script(tuple(self._parts), tuple(self._words[:_MOST]), self._whole)

    def _step(self, letter: str) -> None:
        if letter in " \t":
            self._end_word()
        elif letter in _APART:
            self._end_part()
        elif letter in "<>":
            return self._redirect()
        elif letter in _QUOTING:
            return self._quoted(letter)
        elif letter == "#" and self._letters is None:
            return self._skip_to(self._line.find("\n", self._at))
        else:
            self._sure = self._sure and not self._is_expanded(letter)
            self._add(letter)
        self._at += 1

    def _is_expanded(self, letter: str) -> bool:
        alone = self._letters is None and self._line[self._at + 1 : self._at + 2] in ("", " ", "\n")
        return (letter in _EXPANDED or letter == "{") and not (alone and letter in "[{")

    # -- what is quoted --------------------------------------------------------------------------

    def _quoted(self, letter: str) -> None:
        if letter == "\\":
            return self._escape()
        if letter == "'":
            return self._single()
        return self._double() if letter == '"' else self._variable()

    def _escape(self) -> None:
        after = self._line[self._at + 1 : self._at + 2]
        if after != "\n":
            self._add(after)
        self._at += 2

    def _single(self) -> None:
        end = self._line.find("'", self._at + 1)
        self._add(self._line[self._at + 1 : max(end, 0)])
        self._skip_to(end + 1 if end >= 0 else -1)

    def _double(self) -> None:
        self._add("")
        self._at += 1
        while self._whole and (letter := self._line[self._at : self._at + 1]) != '"':
            if not letter:
                self._whole = False
            elif letter == "\\" and self._line[self._at + 1 : self._at + 2] in _ESCAPED:
                self._escape()
            elif letter in "$`":
                self._variable()
            else:
                self._add(letter)
                self._at += 1
        self._at += 1

    def _variable(self) -> None:
        """What comes of it only the shell knows; what it may run, nobody."""
        if self._line[self._at] == "`" or self._line[self._at + 1 : self._at + 2] in (
            "(",
            "'",
            '"',
        ):
            self._whole = False
        self._sure = False
        self._add("$")
        self._at += 1

    # -- where words, and commands, end ------------------------------------------------------------

    def _redirect(self) -> None:
        if _OPAQUE.match(self._line, self._at):
            self._whole = False
        if self._letters is not None and self._sure and "".join(self._letters).isdigit():
            self._letters = None
        self._end_word()
        self._aside = True
        self._at = len(self._line) - len(self._line[self._at :].lstrip("<>&|"))

    def _skip_to(self, place: int) -> None:
        """To that place; -1 is where nobody knows."""
        self._whole = self._whole and (place >= 0 or self._line[self._at] == "#")
        self._at = place if place >= 0 else len(self._line)

    def _add(self, text: str) -> None:
        if self._letters is None:
            self._letters = []
        self._letters.append(text)

    def _end_word(self) -> None:
        if self._letters is None:
            return
        word = Word("".join(self._letters), self._sure)
        self._words.append(word)
        if not self._aside:
            self._part.append(word)
        self._letters, self._sure, self._aside = None, True, False

    def _end_part(self) -> None:
        self._end_word()
        self._aside = False
        if self._part:
            self._parts.append(tuple(self._part))
            self._whole = self._whole and self._part[0].text != "function"
        self._part = []
