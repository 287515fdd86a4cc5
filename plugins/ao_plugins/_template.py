"""Command lines by template: values are put in argument by argument, never through a shell."""

import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePath

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def words(command: Sequence[str] | str) -> tuple[str, ...]:
    """A command line as its words; raises ValueError where it has none or its quotes are open."""
    found = tuple(shlex.split(command) if isinstance(command, str) else command)
    if not found or not found[0]:
        raise ValueError("it names no program")
    if any("\0" in word for word in found):
        raise ValueError("it holds a zero byte")
    return found


def placeholders(template: Iterable[str]) -> frozenset[str]:
    """The names in braces."""
    return frozenset(name for word in template for name in _PLACEHOLDER.findall(word))


def check(name: str, template: Sequence[str], known: frozenset[str]) -> None:
    """Raise ValueError unless it can be filled and its program is not one of the workspace's."""
    if unknown := sorted(placeholders(template) - known):
        choice = ", ".join(sorted(known))
        raise ValueError(f"{name}: there is no {{{unknown[0]}}}; known are {choice}")
    program = template[0]
    if placeholders([program]) or ("/" in program and not PurePath(program).is_absolute()):
        raise ValueError(f"{name}: the program is a name on PATH or an absolute path")


def filled(template: Sequence[str], values: Mapping[str, str | None]) -> tuple[str, ...]:
    """The command line. A value that is None takes its argument along, and the flag before it.

    What is put in is not looked at again, and cannot begin an argument with a dash.
    """
    out: list[str] = []
    for position, word in enumerate(template):
        names = placeholders([word])
        if any(values[name] is None for name in names):
            if position and _is_flag(template[position - 1]):
                out.pop()
            continue
        out.append(_guarded(word, _PLACEHOLDER.sub(lambda m: values[m[1]] or "", word)))
    return tuple(out)


def _is_flag(word: str) -> bool:
    return word.startswith("-") and word != "--" and "=" not in word and not placeholders([word])


def _guarded(word: str, text: str) -> str:
    return f" {text}" if text.startswith("-") and word.startswith("{") else text
