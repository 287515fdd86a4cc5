"""The settings of agent `command`: templates of command lines, patterns, keys; and its preset."""

import re
import sys
from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Literal, Self, cast

from pydantic import AliasChoices, BeforeValidator, Field, field_validator, model_validator

from ao_core.model.session import PermissionMode
from ao_core.plugin import Config
from ao_plugins._screens import Screens
from ao_plugins._template import check, placeholders, words

_TASK = frozenset({"prompt", "prompt_file"})
_KNOWN = _TASK | {"system_prompt", "model", "session", "workspace", "issue", "permissions"}
_KEYS = ("interrupt", "working", "now")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_WORKER = [
    *(sys.executable, "-I", "-m", "ao_plugins.agent._worker"),
    *("--session", "{session}", "--permissions", "{permissions}"),
]
_PRESETS: Mapping[str, Mapping[str, object]] = {
    "worker": {
        "command": [*_WORKER, "--prompt-file", "{prompt_file}"],
        "resume": [*_WORKER, "--resume"],
        "protocol": [*_WORKER, "--acp"],
        "modes": {"default": "default", "permissionless": "permissionless"},
        "log": ".ao/worker.jsonl",
        "usage": True,
        "dialogs": ["Do you want to proceed?"],
        "folded": ["[Pasted text"],
        "allow": ["1"],
        "deny": ["2"],
        "interrupt": ["C-c"],
        "working": ["working…", "waiting for your answer"],
        "draft": r"─\n .*\n> \S",
        "commands": ["/turns"],
        "receipt": "accepted",
        "screens": {
            "active": ["^ working"],
            "idle": ["^ idle "],
            "waiting_input": ["^ waiting for your answer", "^ Do you want to proceed"],
            "blocked": ["^ blocked: "],
        },
    }
}


def _template(given: object) -> object:
    return words(given) if isinstance(given, str) else given


CommandLineTemplate = Annotated[tuple[str, ...], BeforeValidator(_template)]


class CommandConfig(Config):
    """Settings for an agent that is started by a command line."""

    preset: Literal["worker"] | None = None
    command: CommandLineTemplate = ()
    args: tuple[str, ...] = ()
    resume: CommandLineTemplate | None = None
    protocol: CommandLineTemplate | None = None
    modes: Mapping[PermissionMode, str] = {}
    prompt: Literal["argument", "after"] = "argument"
    one_shot: bool = Field(default=False, validation_alias=AliasChoices("one_shot", "oneShot"))
    process: str | None = None
    env: Mapping[str, str] = Field(default={}, repr=False)
    credentials: tuple[str, ...] = ()
    log: str | None = None
    usage: bool = False  # whether lines of its log tell what it used
    dialogs: tuple[str, ...] = ()
    folded: tuple[str, ...] = ()
    submit: tuple[str, ...] = Field(default=("Enter",), min_length=1)
    clear: tuple[str, ...] = ("C-u",)
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    interrupt: tuple[str, ...] = ()
    working: tuple[str, ...] = ()
    now: tuple[str, ...] = ()
    draft: Annotated[str, Field(max_length=200)] = ""
    ready: Annotated[str, Field(max_length=200)] = ""
    commands: tuple[str, ...] = ()
    screens: Screens = Screens()
    receipt: Literal["submitted", "accepted"] = "submitted"

    @model_validator(mode="before")
    @classmethod
    def _fill(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        settings = cast("dict[str, object]", given)
        preset = _PRESETS.get(str(settings.get("preset")), {})
        after = {"command": _WORKER} if preset and settings.get("prompt") == "after" else {}
        return {**preset, **after, **settings}

    @field_validator("credentials")
    @classmethod
    def _variables(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_checked_variable, names))

    @field_validator("env")
    @classmethod
    def _environment(cls, env: Mapping[str, str]) -> Mapping[str, str]:
        if any("\0" in value for value in env.values()):
            raise ValueError("a value holds a zero byte")
        return {_checked_variable(name): value for name, value in env.items()}

    @field_validator("log")
    @classmethod
    def _inside(cls, log: str | None) -> str | None:
        if log is not None and (PurePath(log).is_absolute() or ".." in PurePath(log).parts):
            raise ValueError("it names a file inside the workspace")
        return log

    @field_validator("draft", "ready")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as exc:
            raise ValueError(f"it is no regular expression: {exc}") from exc
        return pattern

    @field_validator("commands")
    @classmethod
    def _commands(cls, commands: tuple[str, ...]) -> tuple[str, ...]:
        if any(not one.startswith("/") or one.split() != [one] for one in commands):
            raise ValueError("each is one word that begins with a slash")
        return tuple(map(_checked_text, commands))

    @field_validator("dialogs", "folded", "submit", "clear", "allow", "deny", *_KEYS)
    @classmethod
    def _texts(cls, texts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_checked_text, texts))

    @field_validator("modes")
    @classmethod
    def _named(cls, modes: Mapping[PermissionMode, str]) -> Mapping[PermissionMode, str]:
        return {permissions: _checked_text(mode) for permissions, mode in modes.items()}

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check("command", (*words(self.command), *self.args), _KNOWN)
        if self.resume is not None:
            check("resume", words(self.resume), _KNOWN | {"native_id"})
        if self.protocol is not None:  # by protocol, the task is said and never an argument
            check("protocol", (*words(self.protocol), *self.args), _KNOWN - _TASK)
        carried = bool(_TASK & placeholders((*self.command, *self.args)))
        if carried != (self.prompt == "argument"):
            raise ValueError(
                "put {prompt} or {prompt_file} into the command, or set `prompt: after`, not both"
            )
        return self

    @model_validator(mode="after")
    def _by_turns(self) -> Self:
        if self.one_shot and self.prompt == "after":
            raise ValueError("one_shot: its command has the task, so `prompt: after` cannot be")
        told = placeholders((*(self.resume or self.command), *self.args))
        if self.one_shot and not _TASK & told:
            raise ValueError("one_shot: put {prompt} or {prompt_file} into `resume` as well")
        return self


def _checked_text(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError("each is a line of text, and none is empty")
    return text


def _checked_variable(name: str) -> str:
    if not _VARIABLE.fullmatch(name) or name.startswith("AO_"):
        raise ValueError(f"{name[:60]!r} cannot be a variable of its own")
    return name
