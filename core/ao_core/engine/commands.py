"""Whether a command is among those that a line would start: surely, perhaps, or not. Pure.

What a program does by itself is not seen: a script, a build file, an interpreter's argument.
"""

import re
from collections.abc import Sequence
from enum import IntEnum

from ao_core.engine.shell import Script, Word, bare, taken_apart

_DEEPEST = 4
_STARTING = frozenset({  # programs that start what they are given
    "env", "sudo", "doas", "command", "builtin", "exec", "nohup", "nice", "ionice", "time",
    "timeout", "stdbuf", "setsid", "xargs", "chroot", "unshare", "flock", "watch", "parallel",
    "find", "busybox", "strace", "su", "ssh", "script", "coproc",
})  # fmt: skip
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish"})
_UNKNOWN = frozenset({"eval", "source", ".", "alias", "trap"})
_SCRIPT = re.compile(r"-[a-zA-Z]*c[a-zA-Z]*")


class Hit(IntEnum):
    """Whether something is so."""

    NO = 0
    PERHAPS = 1
    YES = 2


def starts(script: Script, beginning: Sequence[str], depth: int = 0) -> Hit:
    """Whether one of the commands begins with these words."""
    if depth > _DEEPEST:
        return Hit.PERHAPS
    found = [_in(bare(part), beginning, depth) for part in script.parts]
    return max([Hit.NO if script.whole else Hit.PERHAPS, *found])


def _in(words: Sequence[Word], beginning: Sequence[str], depth: int) -> Hit:
    if not words:
        return Hit.NO
    hit, name = _begins(words, beginning), program(words[0].text)
    if hit is Hit.YES or name not in _STARTING | _SHELLS | _UNKNOWN:
        return hit
    if name in _STARTING:
        return max(hit, _started(words[1:], beginning, depth))
    given = _told(words) if name in _SHELLS else None
    if given is None:
        return Hit.PERHAPS
    return max(hit, *(starts(taken_apart(word.text), beginning, depth + 1) for word in given))


def _told(words: Sequence[Word]) -> Sequence[Word] | None:
    """What a shell is given to run, in words; None where that is a file, or what it reads."""
    for place, word in enumerate(words):
        if place and word.sure and _SCRIPT.fullmatch(word.text):
            after = words[place + 1 :]
            return after if after and all(one.sure for one in after) else None
    return None


def _started(words: Sequence[Word], beginning: Sequence[str], depth: int) -> Hit:
    """What is started by a program that starts others: from any of its words on."""
    hits = [_begins(words[place:], beginning) for place in range(len(words))]
    for place, word in enumerate(words):
        if program(word.text) in _SHELLS | _UNKNOWN:
            hits.append(_in(words[place:], beginning, depth + 1))
            break
    texts = (word.text for word in words if " " in word.text or "\t" in word.text)
    hits += [starts(taken_apart(text), beginning, depth + 1) for text in texts]
    return max(hits, default=Hit.NO)


def _begins(words: Sequence[Word], beginning: Sequence[str]) -> Hit:
    for place, wanted in enumerate(beginning):
        if place >= len(words):
            return Hit.NO
        if not words[place].sure:
            return Hit.PERHAPS
        if not _same(words[place].text, wanted, place):
            return _after_options(words[place:], beginning[place:]) if place else Hit.NO
    return Hit.YES


def _after_options(words: Sequence[Word], rest: Sequence[str]) -> Hit:
    """`git -C x push` pushes; which of an option's words are its own, only the program knows."""
    if not words[0].text.startswith("-"):
        return Hit.NO
    length = len(rest)
    for place in range(1, len(words)):
        part = words[place : place + length]
        if all(not word.sure or word.text in rest for word in part) and part:
            return Hit.PERHAPS
    return Hit.NO


def _same(text: str, wanted: str, place: int) -> bool:
    return text == wanted or (place == 0 and program(text) == program(wanted))


def program(word: str) -> str:
    """A program's name, wherever it is; some file systems take no notice of case."""
    return word.rsplit("/", 1)[-1].lower()
