"""GitHub Copilot CLI, by the Agent Client Protocol or in its own terminal.

https://docs.github.com/en/copilot/reference/cli-command-reference and
https://docs.github.com/en/copilot/reference/hooks-configuration
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar
from uuid import NAMESPACE_URL, uuid5

import anyio

from ao_core.files import write_atomic
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
from ao_plugins._hooks import asks, hook_in, leaves_word, settings
from ao_plugins._logged import Logged
from ao_plugins._tokens import token_in
from ao_plugins.agent._copilot.log import Story, stories

_HINT = "Install it with `npm install -g @github/copilot`, then run `copilot login` once."
_PATIENCE = 3_600  # seconds in which somebody may answer a permission request
_HOOKS = ("sessionStart", "userPromptSubmitted", "agentStop", "errorOccurred")
_MODES: Mapping[PermissionMode, tuple[str, ...]] = {
    PermissionMode.DEFAULT: (),
    PermissionMode.SUGGEST: (),  # our policy asks before each edit
    PermissionMode.AUTO_EDIT: ("--allow-tool=write",),
    PermissionMode.PERMISSIONLESS: ("--allow-all",),
}
_KEYS = (
    "COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "COPILOT_PROVIDER_API_KEY",
    "COPILOT_PROVIDER_BEARER_TOKEN",
)  # fmt: skip
_SURROUNDINGS = (
    "COPILOT_HOME", "COPILOT_MODEL", "COPILOT_OFFLINE", "GH_HOST", "COPILOT_GH_HOST",
    "COPILOT_PROVIDER_BASE_URL", "COPILOT_PROVIDER_TYPE", "COPILOT_PROVIDER_WIRE_API",
    "COPILOT_PROVIDER_MODEL_ID", "COPILOT_PROVIDER_WIRE_MODEL",
)  # fmt: skip
_SERVERS = "copilot-mcp.json"
_RULES = ".github/instructions/ao.instructions.md"
_EVERYWHERE = '---\napplyTo: "**"\n---\n'


class CopilotConfig(Config):
    """Settings for Copilot CLI."""

    binary: str = "copilot"
    args: tuple[str, ...] = ()


class Copilot(Logged[CopilotConfig, Story], Resumable, Conversable):
    """Drives the `copilot` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="copilot",
        slot="agent",
        description="GitHub Copilot CLI, by protocol, or by its terminal with hooks.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = CopilotConfig

    @classmethod
    async def detect(cls, config: CopilotConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `copilot` is on that PATH, and has the hooks that are used."""
        return await detected(config.binary, environment, _HINT, least="1.0.100")

    @property
    def process_name(self) -> str:
        """As its loader is called, of which the agent is a child."""
        return "copilot"

    @property
    def credentials(self) -> Sequence[str]:
        """Tokens, keys of another provider, and where they are good; else its own login."""
        return (*_KEYS, *_SURROUNDINGS)

    @property
    def commands(self) -> Sequence[str]:
        """Those that ask nothing back."""
        return ("/compact", "/context", "/usage")

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Tokens; it counts what it costs in requests, not in money."""
        return frozenset({Part.TOKENS})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation under an id of ours, so that it can be found and resumed."""
        task = launch.prompt.replace("\0", "")
        return self._seen(launch, f"--session-id={_native_id(launch)}", f"--interactive={task}")

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if anything was ever said."""
        story = await self.story(launch)
        known = story.native_id if story and story.turns else None
        return self._seen(launch, f"--resume={known}") if known else None

    @property
    def counts(self) -> bool:
        """What its turns end with begins anew when a session is loaded; its log has all of it."""
        return False

    @property
    def instructed(self) -> bool:
        """A file of rules brings them."""
        return True

    def converse(self, launch: Launch) -> Command | None:
        """As a server of the protocol, on its standard input and output."""
        return self._command(launch, "--acp")

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """Its instructions, in a folder of ours; and it approves nothing by itself."""
        given = launch.environment.get("COPILOT_CUSTOM_INSTRUCTIONS_DIRS")
        folders = [*([given] if given else []), str(launch.folder / "copilot")]
        free = launch.permissions is PermissionMode.PERMISSIONLESS
        asking = {} if free else {"COPILOT_ALLOW_ALL": "false"}
        return {"COPILOT_CUSTOM_INSTRUCTIONS_DIRS": ",".join(folders), **asking}

    async def prepare(self, launch: Launch) -> None:
        """Its instructions, a plugin with our hooks, and the worker's tools: all files of ours."""
        await anyio.to_thread.run_sync(self._prepare, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to. The hook's word of a prompt proves `accepted`."""
        return Composer(
            folded=("[Paste #",),
            dialogs=("esc to cancel", "enter to select", "Esc to stop"),
            clear=("C-u",),
            allow=("1",),
            deny=("Escape",),
            interrupt=("C-c",),  # while it works; else it would end it
            working=("esc esc interrupt", "esc esc edit prompt"),
            draft=r"─{20}\n❯ \S",
            ready=r"─{20}\n❯",
            best=Delivery.ACCEPTED,
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest: a dialog in its frame, or its composer with the footer."""
        lines = bottom(screen)
        if ends_with(lines, r" ?╰─{10}") and shows(lines, r"^ ?│ .*(esc|enter|↑/↓) to ", 4):
            return ActivityState.WAITING_INPUT
        if not ends_with(lines, r"❯", 12) or not ends_with(lines, r"─{20}", 2):
            return None
        busy = ends_with(lines, r" [○◎◉●] ")
        return ActivityState.ACTIVE if busy else ActivityState.IDLE

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told."""
        native = told.text("sessionId")
        match told.hook:
            case "sessionStart":
                return told.event(HookKind.SESSION_STARTED, native_id=native)
            case "userPromptSubmitted":
                said = told.text("prompt").strip()
                return told.event(HookKind.TURN_STARTED, said[:200], token=token_in(said))
            case "agentStop":
                return told.event(HookKind.TURN_ENDED)
            case "errorOccurred" if told.text("errorContext") == "model_call":
                return told.event(HookKind.BLOCKED, told.text("error", "message"))
            case _:
                return None

    # -- what it is started with -------------------------------------------------------------------

    def _seen(self, launch: Launch, *words: str) -> Command:
        """In a terminal our hooks tell of it."""
        return self._command(launch, *words, f"--plugin-dir={launch.folder / 'copilot-hooks'}")

    def _command(self, launch: Launch, *words: str) -> Command:
        argv = [self.config.binary, *words, "--no-auto-update", "--disallow-temp-dir"]
        argv += [*_MODES[launch.permissions]]
        if launch.face:  # by protocol it takes none that is a program
            argv += [f"--additional-mcp-config=@{launch.folder / _SERVERS}"]
            argv += ["--allow-tool=ao", "--no-ask-user"]
        argv += [f"--model={launch.model}"] if launch.model else []
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args), env)

    def _prepare(self, launch: Launch) -> None:
        rules = launch.folder / "copilot" / _RULES
        rules.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(rules, _EVERYWHERE + launch.system_prompt.read_text())
        script, plugin = hook_in(self.scope.state), launch.folder / "copilot-hooks"
        plugin.mkdir(exist_ok=True)
        hooks = {name: _hook(leaves_word(script, name)) for name in _HOOKS}
        hooks["permissionRequest"] = _hook(asks("copilot"), _PATIENCE)
        settings(plugin, "plugin.json", {"name": "ao", "version": "1.0.0", "hooks": "hooks.json"})
        settings(plugin, "hooks.json", {"version": 1, "hooks": hooks})
        if launch.face:
            program, *args = launch.face
            server = {"type": "local", "command": program, "args": args, "tools": ["*"]}
            settings(launch.folder, _SERVERS, {"mcpServers": {"ao": server}})
        given = launch.environment
        usual = f"{given.get('HOME', '~')}/.copilot"
        remember(launch.folder, {"home": given.get("COPILOT_HOME") or usual})

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        home = remembered(launch.folder).get("home")
        if home is None:
            return None
        name = launch.native_id or _native_id(launch)
        return stories.of(Path(home) / "session-state" / Path(name).name / "events.jsonl")


def _native_id(launch: Launch) -> str:
    """Its id for this session: the same each time, so that nothing has to be kept."""
    return str(uuid5(NAMESPACE_URL, f"ao:{launch.folder}"))


def _hook(command: str, timeout: int = 10) -> list[dict[str, object]]:
    return [{"type": "command", "bash": command, "timeoutSec": timeout}]
