"""What Codex is told for one session, in the form of its `-c`; and what it says of that itself.

It runs no hook that nobody has trusted, and trusts by a hash of its own making. So its app server
is asked how it names our hooks, and only those it has from us are said to be trusted.
https://developers.openai.com/codex/app-server
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import anyio
from anyio.abc import ByteReceiveStream

from ao_core.drive import messages
from ao_core.drive.loose import mapping, sequence
from ao_core.errors import PluginError
from ao_core.model.session import Drive
from ao_core.process import companion
from ao_core.slots.agent import Launch
from ao_plugins._found import remember
from ao_plugins._hooks import asks, hook_in, leaves_word, settings

ASKING = "waits for a permission"  # what its screen says while our hook asks

_TOLD = ("SessionStart", "UserPromptSubmit", "Stop")
_PASSED = ("AO_TOKEN", "AO_SOCKET", "AO_SPOOL")  # MCP servers get little of its environment
_FILE = "codex.json"
_PATIENCE = 3_600  # seconds in which somebody may answer a permission request
_DEADLINE = 20.0
_OURS = "sessionFlags"  # where it says that a hook of ours comes from
_HINT = "Look whether `codex features list` has `hooks` on, and whether `codex app-server` starts."


def toml(value: object) -> str:
    """A value as `-c` reads it, on one line."""
    if isinstance(value, Mapping):
        inside = cast("Mapping[str, object]", value).items()
        return "{" + ", ".join(f"{toml(name)} = {toml(one)}" for name, one in inside) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml, cast("Sequence[object]", value))) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def flags(values: Mapping[str, object]) -> Iterator[str]:
    """Them as arguments."""
    for name, value in values.items():
        yield from ("-c", f"{name}={toml(value)}")


def hooks(launch: Launch, folder: Path) -> Mapping[str, object]:
    """Those of ours, with their script in this folder; by protocol there is no need of any."""
    if launch.drive is Drive.PROTOCOL:
        return {}
    script = hook_in(folder)
    return {
        **{f"hooks.{name}": _hook(leaves_word(script, name), 10) for name in _TOLD},
        "hooks.Interrupt": _hook(leaves_word(script, "Interrupt"), 3),  # it grants no more
        "hooks.PermissionRequest": _hook(asks("codex"), _PATIENCE, ASKING),
    }


def _hook(command: str, timeout: int, shown: str = "") -> list[dict[str, object]]:
    runs: dict[str, object] = {"type": "command", "command": command, "timeout": timeout}
    return [{"hooks": [{**runs, **({"statusMessage": shown} if shown else {})}]}]


def servers(launch: Launch) -> Mapping[str, object]:
    """The worker's own tools, which need no permission."""
    if not launch.face:
        return {}
    program, *args = launch.face
    ours = {"command": program, "args": args, "env_vars": _PASSED}
    there = {"required": True, "startup_timeout_sec": 60}  # else its first turn does not wait
    return {"mcp_servers.ao": {**ours, **there, "default_tools_approval_mode": "approve"}}


def keep(launch: Launch, values: Mapping[str, object], instructions: str) -> None:
    """Keep what it is started with, and where its own things are."""
    system = launch.system_prompt.read_text()
    told = "\n\n".join(filter(None, [instructions, system]))
    settings(launch.folder, _FILE, {**values, "developer_instructions": told})
    given = launch.environment
    remember(launch.folder, {"home": given.get("CODEX_HOME") or f"{given.get('HOME', '~')}/.codex"})


def kept(launch: Launch) -> Mapping[str, object]:
    """What was kept for it; nothing before that."""
    try:
        return mapping(json.loads((launch.folder / _FILE).read_text()))
    except (OSError, ValueError):
        return {}


@dataclass(frozen=True, slots=True)
class Known:
    """What it says before it starts: our hooks by its names, and what it was told already."""

    hooks: Mapping[str, object]
    instructions: str


async def asked(
    program: str, wanted: Mapping[str, object], environment: Mapping[str, str], workspace: Path
) -> Known:
    """Ask it. Raises `PluginError` where it does not know all of our hooks."""
    answers = await _answers(
        [program, "app-server", *flags(wanted)],
        {"hooks/list": {"cwds": [str(workspace)]}, "config/read": {"cwd": str(workspace)}},
        {**environment, "RUST_LOG": "off"},
    )
    listed, read = answers
    names = {name: hash for entry in sequence(listed.get("data")) for name, hash in _ours(entry)}
    if len(names) != len(wanted):
        raise PluginError(
            f"Codex would run {len(names)} of {len(wanted)} hooks that tell what it does.",
            hint=_HINT,
        )
    told = mapping(read.get("config")).get("developer_instructions")
    state = {name: {"trusted_hash": hash} for name, hash in names.items()}
    return Known({"hooks.state": state} if state else {}, told if isinstance(told, str) else "")


def _ours(entry: object) -> Iterator[tuple[str, str]]:
    for one in map(mapping, sequence(mapping(entry).get("hooks"))):
        name, hash = one.get("key"), one.get("currentHash")
        if one.get("source") == _OURS and isinstance(name, str) and isinstance(hash, str):
            yield name, hash


async def _answers(
    argv: Sequence[str], questions: Mapping[str, object], environment: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """What its app server answers, in the order of the questions."""
    lines = [
        messages.request(0, "initialize", {"clientInfo": {"name": "ao", "version": "1"}}),
        messages.notice("initialized", {}),
        *(
            messages.request(number, method, mapping(params))
            for number, (method, params) in enumerate(questions.items(), 1)
        ),
    ]
    with anyio.move_on_after(_DEADLINE):
        async with companion(argv, env=environment) as server:
            if server.stdin is not None and server.stdout is not None:
                await server.stdin.send(b"".join(lines))
                return await _heard(server.stdout, len(questions))
    raise PluginError("Codex was asked for its hooks and gave no answer.", hint=_HINT)


async def _heard(stream: ByteReceiveStream, wanted: int) -> list[Mapping[str, Any]]:
    splitter, found = messages.Splitter(), dict[object, Mapping[str, Any]]()
    async for data in stream:
        for line in splitter.feed(data):
            said = messages.parse(line)
            if isinstance(said, messages.Failure):
                raise PluginError(f"Codex was asked for its hooks: {said.message}", hint=_HINT)
            if isinstance(said, messages.Result) and said.id:
                found[said.id] = said.value
        if len(found) == wanted:
            return [found[number] for number in range(1, wanted + 1)]
    raise PluginError("Codex was asked for its hooks and ended.", hint=_HINT)
