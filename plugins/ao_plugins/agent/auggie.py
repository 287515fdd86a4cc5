"""Auggie, the agent of Augment, by the Agent Client Protocol or in its terminal.

https://docs.augmentcode.com/cli/reference, https://docs.augmentcode.com/cli/acp,
https://docs.augmentcode.com/cli/permissions and https://docs.augmentcode.com/cli/v0/hooks; its
screens are those that auggie 0.36.0 has in it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.model.activity import ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import (
    Composer,
    Conversable,
    Launch,
    Resumable,
)
from ao_core.slots.runtime import Command
from ao_core.spool import HookEvent, HookKind, Raw
from ao_core.store.records import Delivery
from ao_plugins._bottom import bottom, ends_with, shows
from ao_plugins._found import detected, remember, remembered
from ao_plugins._hooks import hook_in, leaves_word, settings
from ao_plugins._logged import Logged
from ao_plugins._tokens import token_in
from ao_plugins.agent._auggie.log import Story, story

_HINT = "Install it with `npm install -g @augmentcode/auggie`, then run `auggie login`."
_HOOKS = ("SessionStart", "PromptSubmit", "Stop")
_EDITS = ("str-replace-editor", "apply_patch", "save-file", "remove-files", "edit", "write")
_RUNS = (
    "launch-process", "shell", "bash", "write-process", "kill-process", "web-fetch", "web-search",
)  # fmt: skip
_ASKED = {
    PermissionMode.DEFAULT: (*_EDITS, *_RUNS),
    PermissionMode.SUGGEST: (*_EDITS, *_RUNS),
    PermissionMode.AUTO_EDIT: _RUNS,
    PermissionMode.PERMISSIONLESS: (),
}
_QUESTION = r"[ │╭─]*(Tool Approval Required|Choose a response:|Choose an option:)"
_KEYS = r"[ │╰─]*(\[A\]llow.*\[D\]eny|Press 1/2/3/4 to select directly|Press return to open)"
_GOOD, _TOLD_TO_STOP = "end_turn", "interrupted"


class AuggieConfig(Config):
    """Settings for Auggie."""

    binary: str = "auggie"
    args: tuple[str, ...] = ()
    allow_indexing: bool = False


class Auggie(Logged[AuggieConfig, Story], Resumable, Conversable):
    """Drives the `auggie` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="auggie",
        slot="agent",
        description="Auggie, by protocol, or by its terminal with hooks.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = AuggieConfig

    @classmethod
    async def detect(cls, config: AuggieConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `auggie` is on that PATH, and has what is used of it."""
        return await detected(config.binary, environment, _HINT, least="0.36.0")

    @property
    def process_name(self) -> str:
        """As its script is called; its process is `node`."""
        return "auggie"

    @property
    def credentials(self) -> Sequence[str]:
        """Its session or its token, and where that is good; else it uses its own login."""
        return ("AUGMENT_SESSION_AUTH", "AUGMENT_API_TOKEN", "AUGMENT_API_URL", "GITHUB_API_TOKEN")

    @property
    def watched(self) -> bool:
        """Its questions are on its screen alone."""
        return True

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its sessions have the tokens, and what they cost where it is billed in dollars."""
        return frozenset({Part.TOKENS, Part.COST})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation with its task, from the file that has it."""
        return self._typed(launch, "--instruction-file", str(launch.prompt_file))

    async def resume(self, launch: Launch) -> Command | None:
        """Continue that session, if it kept it."""
        log = await anyio.to_thread.run_sync(_log, launch)
        return self._typed(launch, "--resume", log.stem) if log and log.is_file() else None

    @property
    def instructed(self) -> bool:
        """A flag brings them."""
        return True

    def converse(self, launch: Launch) -> Command | None:
        """Start it to be spoken to."""
        return self._command(launch, "--acp")

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """It does not update itself under a worker's hands."""
        return {"AUGMENT_DISABLE_AUTO_UPDATE": "1"}

    async def prepare(self, launch: Launch) -> None:
        """Hooks, as a plugin of its own kind, and the worker's tools, in files of ours."""
        await anyio.to_thread.run_sync(self._prepare, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to."""
        return Composer(
            dialogs=("Tool Approval Required", "Choose a response:", "Choose an option:"),
            interrupt=("Escape",),
            working=("esc to interrupt",),
            best=Delivery.ACCEPTED,  # its PromptSubmit hook is told the message and its token
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest: a dialog, the line that counts the seconds, or the shortcuts."""
        lines = bottom(screen)
        resting = shows(lines, r"\? to show shortcuts", 3)
        if ends_with(lines, _KEYS, 2) or (ends_with(lines, _QUESTION, 12) and not resting):
            return ActivityState.WAITING_INPUT
        if shows(lines, r"\([0-9][^()]*• esc to interrupt", 8):
            return ActivityState.ACTIVE
        ready = resting and ends_with(lines, r"[ │]*›", 5)
        return ActivityState.IDLE if ready else None

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told."""
        match told.hook:
            case "SessionStart":
                return told.event(HookKind.SESSION_STARTED, native_id=told.text("conversation_id"))
            case "PromptSubmit":
                prompt = told.text("user_prompt")
                return told.event(
                    HookKind.TURN_STARTED, prompt.strip()[:200], token=token_in(prompt),
                    native_id=told.text("conversation_id"),
                )  # fmt: skip
            case "Stop" if told.text("agent_stop_cause") in ("", _GOOD, _TOLD_TO_STOP):
                return told.event(HookKind.TURN_ENDED)
            case "Stop":
                return told.event(HookKind.BLOCKED, f"it stopped: {told.text('agent_stop_cause')}")
            case _:
                return None

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        log = _log(launch)
        return story(log) if log else None

    def _typed(self, launch: Launch, *rest: str) -> Command:
        own = ["--plugin-dir", str(launch.folder / "auggie")]
        if launch.face:
            own += ["--mcp-config", str(launch.folder / "auggie-mcp.json")]
        return self._command(launch, *own, *rest)

    def _command(self, launch: Launch, *rest: str) -> Command:
        argv = [self.config.binary, "--rules", str(launch.system_prompt)]
        for tool in _ASKED[launch.permissions]:  # what no rule is about it does unasked
            argv += ["--permission", f"{tool}:ask-user"]
        if self.config.allow_indexing:
            argv.append("--allow-indexing")
        if launch.model:
            argv += ["--model", launch.model]
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, *rest), env)

    def _prepare(self, launch: Launch) -> None:
        script = hook_in(self.scope.state)
        _plugin(launch.folder / "auggie", {name: leaves_word(script, name) for name in _HOOKS})
        given = launch.environment
        if launch.face:
            program, *args = launch.face
            env = {name: given[name] for name in ("AO_TOKEN", "AO_SOCKET") if name in given}
            server = {"command": program, "args": args, "env": env}  # it passes on nothing else
            settings(launch.folder, "auggie-mcp.json", {"mcpServers": {"ao": server}})
        remember(launch.folder, {"home": f"{given.get('HOME', '~')}/.augment"})


def _plugin(folder: Path, commands: Mapping[str, str]) -> None:
    """A market place with one plugin, which has hooks and nothing else."""
    about, own, hooks = folder / ".augment-plugin", folder / "ao" / ".augment-plugin", "hooks"
    for one in (about, own, folder / "ao" / hooks):
        one.mkdir(parents=True, exist_ok=True)
    plugin = {"name": "ao", "source": "./ao", "description": "Tells ao what goes on."}
    settings(
        about, "marketplace.json", {"name": "ao", "owner": {"name": "ao"}, "plugins": [plugin]}
    )
    settings(own, "plugin.json", {"name": "ao", "version": "1.0.0"})
    every = {
        name: [{"hooks": [{"type": "command", "command": command, "timeout": 10_000}]}]
        for name, command in commands.items()
    }
    settings(folder / "ao" / hooks, "hooks.json", {"hooks": every})


def _log(launch: Launch) -> Path | None:
    home = remembered(launch.folder).get("home")
    if home is None or not launch.native_id:
        return None
    return Path(home) / "sessions" / f"{Path(launch.native_id).name}.json"
