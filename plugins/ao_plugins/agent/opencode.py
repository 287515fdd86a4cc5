"""opencode, by the Agent Client Protocol or in its own terminal.

https://opencode.ai/docs/config, https://opencode.ai/docs/permissions and
https://opencode.ai/docs/plugins
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import time
from typing import ClassVar

import anyio

from ao_core.model.activity import Activity, ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import (
    Agent,
    AgentInfo,
    Composer,
    Conversable,
    Launch,
    Look,
    Resumable,
    Turn,
)
from ao_core.slots.runtime import Command
from ao_core.spool import HookEvent, HookKind, Raw
from ao_core.store.records import Delivery
from ao_plugins._bottom import bottom, ends_with, shows
from ao_plugins._found import detected, remember, remembered
from ao_plugins._tokens import token_in
from ao_plugins.agent._opencode import log
from ao_plugins.agent._opencode.log import Place
from ao_plugins.agent._opencode.plugin import plugin
from ao_plugins.agent._opencode.settings import INTERRUPT, KEYS, KEYS_FILE, VARIABLE, above, keys

_HINT = "Install it with `npm install -g opencode-ai`, then run `opencode auth login` once."
_FEW = 3  # attempts that are nobody's business
_KEYS = (
    "OPENCODE_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY",
    "GOOGLE_GENERATIVE_AI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "MISTRAL_API_KEY",
    "XAI_API_KEY", "DEEPSEEK_API_KEY", "AZURE_API_KEY", "AWS_BEARER_TOKEN_BEDROCK",
)  # fmt: skip
_SURROUNDINGS = (
    "OPENCODE_CONFIG", "OPENCODE_CONFIG_DIR", "OPENCODE_DB", "XDG_CONFIG_HOME", "XDG_DATA_HOME",
    "AZURE_RESOURCE_NAME", "AWS_REGION", "AWS_PROFILE",
)  # fmt: skip
_DIALOG = r"\s*┃\s+(Allow once|Allow always|Confirm|Reject)\b"


class OpenCodeConfig(Config):
    """Settings for opencode; `agent` is the one of its own agents that works."""

    binary: str = "opencode"
    args: tuple[str, ...] = ()
    agent: str = "build"


class OpenCode(Agent[OpenCodeConfig], Resumable, Conversable):
    """Drives the `opencode` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="opencode",
        slot="agent",
        description="opencode, by protocol, or by its terminal with a plugin of ours.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = OpenCodeConfig

    @classmethod
    async def detect(cls, config: OpenCodeConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `opencode` is on that PATH, and keeps its log as it is read."""
        return await detected(config.binary, environment, _HINT, least="1.18.0")

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "opencode"

    @property
    def credentials(self) -> Sequence[str]:
        """Keys of the providers it knows best, and where its own things are."""
        return (*_KEYS, *_SURROUNDINGS)

    @property
    def commands(self) -> Sequence[str]:
        """One that asks nothing back."""
        return ("/compact",)

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its log has all of it."""
        return frozenset({Part.TOKENS, Part.COST})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation with the task."""
        task = launch.prompt.replace("\0", "")
        return self._command(launch, f"--prompt={task}")

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if anything was ever said."""
        known = await anyio.to_thread.run_sync(log.session_of, _place(launch))
        return self._command(launch, f"--session={known}") if known else None

    @property
    def counts(self) -> bool:
        """Its turns end with the tokens of their last answer; its log has them all."""
        return False

    @property
    def instructed(self) -> bool:
        """Its settings bring them."""
        return True

    def converse(self, launch: Launch) -> Command | None:
        """As a server of the protocol, on its standard input and output."""
        return self._command(launch, "acp")

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """Our settings, above those of the user and the project; no file of theirs is touched."""
        settings = json.dumps(above(launch, self.config.agent))
        keys = launch.environment.get(KEYS) or str(launch.folder / KEYS_FILE)
        return {VARIABLE: settings, KEYS: keys, "OPENCODE_DISABLE_AUTOUPDATE": "1"}

    async def prepare(self, launch: Launch) -> None:
        """What runs inside it, in a file of ours."""
        await anyio.to_thread.run_sync(_prepare, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to. The plugin's word of a message proves `accepted`."""
        return Composer(
            folded=("[Pasted ~",),
            dialogs=("△ Permission required", "△ Always allow", "△ Reject permission"),
            clear=("C-u",),
            allow=("Enter",),
            deny=("Escape",),
            interrupt=INTERRUPT,
            working=("esc interrupt", "esc again to interrupt"),
            draft=r"┃  (?!Ask anything)\S.*\n(\s*┃.*\n){1,2}\s*╹▀",
            ready=r"╹▀{10}",
            best=Delivery.ACCEPTED,
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By what is lowest: a dialog, or its composer with the footer."""
        lines = bottom(screen)
        if ends_with(lines, _DIALOG, 4):
            return ActivityState.WAITING_INPUT
        if not ends_with(lines, r"\s*╹▀{10}", 3):
            return None
        busy = shows(lines, r"esc (again to )?interrupt", 2)
        return ActivityState.ACTIVE if busy else ActivityState.IDLE

    def heard(self, told: Raw) -> HookEvent | None:
        """What our plugin leaves, named as opencode's own events are."""
        native = told.text("sessionID")
        match told.hook:
            case "session-created":
                return told.event(HookKind.SESSION_STARTED, native_id=native)
            case "chat-message":
                said = told.text("text").strip()
                return told.event(
                    HookKind.TURN_STARTED, said[:200], token=token_in(said), native_id=native
                )
            case "session-busy":
                return told.event(HookKind.TURN_STARTED)
            case "session-idle":
                return told.event(HookKind.TURN_ENDED, told.text("text"), native_id=native)
            case "session-error":
                return told.event(HookKind.BLOCKED, told.text("message") or told.text("name"))
            case "session-retry" if _attempts(told) >= _FEW:
                return told.event(HookKind.BLOCKED, told.text("message"))
            case "permission-replied":
                return told.event(HookKind.PERMISSION_ENDED, id=told.text("requestID"))
            case _:
                return None

    async def native(self, look: Look) -> Activity | None:
        """What its log shows."""
        return await anyio.to_thread.run_sync(log.last, _place(look.launch))

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its id, its title and what it has used."""
        return await anyio.to_thread.run_sync(log.about, _place(launch))

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages of its log."""
        place = _place(launch)
        return await anyio.to_thread.run_sync(log.conversation, place, limit)

    # -- what it is started with -------------------------------------------------------------------

    def _command(self, launch: Launch, *words: str) -> Command:
        env = {**launch.environment, **self.environment(launch)}
        return Command((self.config.binary, *words, *self.config.args), env)


def _prepare(launch: Launch) -> None:
    plugin(launch.folder, launch.face)
    keys(launch.folder)
    given = launch.environment
    data = Path(given.get("XDG_DATA_HOME") or f"{given.get('HOME', '~')}/.local/share")
    database = data / "opencode" / (given.get("OPENCODE_DB") or "opencode.db")
    since = remembered(launch.folder).get("since") or str(int(time() * 1000))
    remember(launch.folder, {"database": str(database), "since": since})


def _place(launch: Launch) -> Place:
    """Where its session is; nowhere, where it was never started."""
    known = remembered(launch.folder)
    since, database = known.get("since", ""), known.get("database", "/nowhere/opencode.db")
    begun = int(since) if since.isdecimal() else 0
    return Place(Path(database), launch.workspace, begun, launch.native_id)


def _attempts(told: Raw) -> int:
    value = told.payload.get("attempt")
    return value if isinstance(value, int) else 0
