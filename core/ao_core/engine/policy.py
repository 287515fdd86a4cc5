"""What a worker may do unasked. Pure: a request and a workspace in, a verdict out.

Inside its workspace a worker may read, edit and run the project's own build and test commands.
Everything else is asked for. Paths are judged after links and `..` are followed.
"""

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ao_core.model.rule import Verdict
from ao_core.model.session import PermissionMode


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker wants to do: a tool, and the path or the command it is about.

    `also` are all the paths it names: none may lead where the first could not. One that is not
    `clear` says more than could be understood, and is never allowed unasked. What it names may be
    meant from its `folder` on. One of our `own` tools reports, asks, or reads what it was told.

    `line` is a command of which only a shell could say what it means; empty: there is one, and
    nobody knows it. The tool is `called` so by its agent's program, and by its `title` in words
    that may be a model's.
    """

    tool: str
    path: str | None = None
    command: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    clear: bool = True
    folder: str | None = None
    own: bool = False
    line: str | None = None
    called: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict and the rule it came from. One that `stands` is no matter of what was said before:
    it denies, or nobody knows whether it does.
    """

    verdict: Verdict
    rule: str
    stands: bool = False


_READS = frozenset({"read", "list", "search", "glob", "grep"})
_EDITS = frozenset({"edit", "write", "create", "delete"})
_LOOKING = (
    ("git", "status"), ("git", "diff"), ("git", "log"), ("git", "show"),
    ("ls",), ("pwd",), ("cat",), ("ao", "report"), ("ao", "ask"),
)  # fmt: skip
_KEEPING = (("git", "add"), ("git", "commit"))
_ALONE = (("git", "branch", "--show-current"),)  # `--no-show-current -D main` would undo it
_BARRED = ("--out", "--ext", "--textc")  # git's options that write files or run what is configured
RESERVED = frozenset({".git", ".ao"})
_LONGEST = 1_000
_OPERATOR = re.compile(r"^\d*[;&|<>]|`|\$\(")
_JOINT = re.compile(r"[=:,;@]")


def judge(
    wish: Wish, workspace: Path, mode: PermissionMode, commands: Sequence[Sequence[str]] = ()
) -> Ruling:
    """Rule on one wish: as on each of its paths, and the strictest holds."""
    rulings = [
        _judge(replace(wish, path=path), workspace, mode, commands)
        for path in dict.fromkeys([wish.path, *wish.also])
        if path is not None or wish.path is None
    ]
    return next((one for one in rulings if one.verdict is not Verdict.ALLOW), rulings[0])


def _judge(
    wish: Wish, workspace: Path, mode: PermissionMode, commands: Sequence[Sequence[str]]
) -> Ruling:
    if mode is PermissionMode.PERMISSIONLESS:
        return Ruling(Verdict.ALLOW, "the session is permissionless")
    if wish.own:
        return Ruling(Verdict.ALLOW, "a worker's own tool")
    if not wish.clear:
        return Ruling(Verdict.ASK, "it says more than can be judged")
    if wish.path is not None and within(wish.path, workspace) is None:
        return Ruling(Verdict.ASK, "outside the workspace")
    if wish.folder is not None and within(from_folder(wish.folder, wish.path), workspace) is None:
        return Ruling(Verdict.ASK, "outside the workspace")
    if wish.command:
        return _command(wish, workspace, mode, commands)
    tool = wish.tool.lower()
    if tool in _READS | _EDITS and wish.path is not None:
        return _path(tool, wish.path, workspace, mode)
    return Ruling(Verdict.ASK, "not covered by the shipped policy")


def _path(tool: str, path: str, workspace: Path, mode: PermissionMode) -> Ruling:
    inside = within(path, workspace)
    if tool in _READS:
        return Ruling(Verdict.ALLOW, "reading inside the workspace")
    if inside is None or not inside.parts:
        return Ruling(Verdict.ASK, "the workspace as a whole")
    if RESERVED & {part.lower() for part in inside.parts}:
        return Ruling(Verdict.ASK, "not the project's own files")
    if mode is PermissionMode.SUGGEST:
        return Ruling(Verdict.ASK, "the session only suggests")
    return Ruling(Verdict.ALLOW, "editing inside the workspace")


def within(path: str, workspace: Path) -> Path | None:
    """The path relative to the workspace, links followed; None when it leads outside.

    Also when nobody can say where: some tools read `~` and URLs, and links may go in circles.
    """
    if path.startswith("~") or "://" in path or "\0" in path:
        return None
    try:
        root = workspace.resolve()
        target = (root / path).resolve()
    except (OSError, RuntimeError, ValueError):
        return None
    return target.relative_to(root) if target.is_relative_to(root) else None


def from_folder(folder: str | None, path: str | None) -> str:
    """A path as it is meant by who works in that folder."""
    return os.path.join(folder or "", path or "")


def _command(
    wish: Wish, workspace: Path, mode: PermissionMode, commands: Sequence[Sequence[str]]
) -> Ruling:
    argv = wish.command
    changing = () if mode is PermissionMode.SUGGEST else _KEEPING
    known = [one for one in (*_LOOKING, *changing, *commands) if _starts(argv, one)]
    if argv not in _ALONE and not known:
        return Ruling(Verdict.ASK, "not one of the project's commands")
    rest = argv[max(map(len, known), default=len(argv)) :]
    if does_more(argv, rest):
        return Ruling(Verdict.ASK, "an option that does more than the command")
    if any(is_doubtful(word, wish.folder, workspace) for word in rest):
        return Ruling(Verdict.ASK, "may name a path outside the workspace")
    return Ruling(Verdict.ALLOW, "one of the project's commands")


def does_more(argv: Sequence[str], rest: Sequence[str]) -> bool:
    """Whether an option has git write files, or run what is configured."""
    return argv[0] == "git" and any(word.startswith(_BARRED) for word in rest)


def is_for_shell_only(argv: Sequence[str]) -> bool:
    """Whether a word is none to whoever reads it: an operator, or what has to be filled in."""
    return any(len(word) > _LONGEST or _OPERATOR.search(word) for word in argv)


def _starts(argv: Sequence[str], allowed: Sequence[str]) -> bool:
    return bool(allowed) and tuple(argv[: len(allowed)]) == tuple(allowed)


def is_doubtful(word: str, folder: str | None, workspace: Path) -> bool:
    """Whether some reading of the word leads outside, or only a shell could say what it means."""
    if len(word) > _LONGEST or _OPERATOR.search(word):
        return True
    return any(
        within(part, workspace) is None or within(from_folder(folder, part), workspace) is None
        for part in readings(word)
    )


def readings(word: str) -> Iterator[str]:
    """Everything in a word that may be a path: `x`, `--output=x`, `-ox`, `@x`, `a:x`, `a,x`."""
    yield word
    yield from _JOINT.split(word)
    yield from (word[joint.end() :] for joint in _JOINT.finditer(word))
    if word.startswith("-") and not word.startswith("--"):
        yield from (word[place:] for place in range(1, len(word)))


_SHELL = frozenset(";&|<>`$(){}\n*?[]#!")


def is_for_a_shell(text: str) -> bool:
    """Whether only a shell could say what it means."""
    return bool(_SHELL & set(text))


_QUOTED = re.compile(r"""'[^']*'|"[^"$`\\!]*\"""")  # nothing in it means anything to a shell


def parse_command(text: str) -> tuple[str, ...]:
    """A command line as words, or nothing when only a shell could say what it means."""
    # behind a backslash a quote is none
    if is_for_a_shell(text if "\\" in text else _QUOTED.sub("''", text)):
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return ()
