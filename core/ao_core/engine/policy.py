"""What a worker may do unasked. Pure: a request and a workspace in, a verdict out.

Inside its workspace a worker may read, edit and run the project's own build and test commands.
Everything else is asked for. Paths are judged after links and `..` are followed.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ao_core.model.session import PermissionMode


class Verdict(StrEnum):
    """What the policy says."""

    ALLOW = "allow"
    ASK = "ask"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Wish:
    """What a worker wants to do: a tool, and the path or the command it is about."""

    tool: str
    path: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ruling:
    """A verdict and the rule it came from."""

    verdict: Verdict
    rule: str


_READS = frozenset({"read", "list", "search", "glob", "grep"})
_EDITS = frozenset({"edit", "write", "create", "move", "delete"})
_HARMLESS = (
    ("git", "status"), ("git", "diff"), ("git", "log"), ("git", "show"), ("git", "add"),
    ("git", "commit"), ("git", "branch", "--show-current"), ("ls",), ("pwd",), ("cat",),
)  # fmt: skip
_RESERVED = (".git", ".ao")


def judge(
    wish: Wish, workspace: Path, mode: PermissionMode, commands: Sequence[Sequence[str]] = ()
) -> Ruling:
    """Rule on one wish."""
    if mode is PermissionMode.PERMISSIONLESS:
        return Ruling(Verdict.ALLOW, "the session is permissionless")
    if wish.command:
        return _command(wish.command, workspace, commands)
    tool = wish.tool.lower()
    if tool in _READS | _EDITS and wish.path is not None:
        return _path(tool, wish.path, workspace, mode)
    return Ruling(Verdict.ASK, "not covered by the shipped policy")


def _path(tool: str, path: str, workspace: Path, mode: PermissionMode) -> Ruling:
    inside = within(path, workspace)
    if inside is None:
        return Ruling(Verdict.ASK, "outside the workspace")
    if tool in _READS:
        return Ruling(Verdict.ALLOW, "reading inside the workspace")
    if inside.parts[:1] and inside.parts[0] in _RESERVED:
        return Ruling(Verdict.ASK, f"{inside.parts[0]} is not the project's")
    if mode is PermissionMode.SUGGEST:
        return Ruling(Verdict.ASK, "the session only suggests")
    return Ruling(Verdict.ALLOW, "editing inside the workspace")


def within(path: str, workspace: Path) -> Path | None:
    """The path relative to the workspace, links followed; None when it leads outside."""
    if "\0" in path:
        return None
    root = workspace.resolve()
    target = (root / path).resolve()
    return target.relative_to(root) if target.is_relative_to(root) else None


def _command(argv: tuple[str, ...], workspace: Path, commands: Sequence[Sequence[str]]) -> Ruling:
    if not any(_starts(argv, allowed) for allowed in (*_HARMLESS, *commands)):
        return Ruling(Verdict.ASK, "not one of the project's commands")
    if any(_escapes(word, workspace) for word in argv[1:]):
        return Ruling(Verdict.ASK, "names a path outside the workspace")
    return Ruling(Verdict.ALLOW, "one of the project's commands")


def _starts(argv: Sequence[str], allowed: Sequence[str]) -> bool:
    return bool(allowed) and tuple(argv[: len(allowed)]) == tuple(allowed)


def _escapes(word: str, workspace: Path) -> bool:
    """Options may carry paths (`--output=/x`), and so may plain words."""
    value = word.split("=", 1)[-1]
    looks_like_path = "/" in value or value.startswith(("~", ".."))
    return looks_like_path and (value.startswith("~") or within(value, workspace) is None)


_SHELL = frozenset(";&|<>`$(){}\n*?[]#!")


def parse_command(text: str) -> tuple[str, ...]:
    """A command line as words, or nothing when only a shell could say what it means."""
    if _SHELL & set(text):
        return ()
    try:
        return tuple(shlex.split(text))
    except ValueError:
        return ()
