"""Amazon Q Developer for the command line, which Kiro has taken the place of; by its terminal.

https://docs.aws.amazon.com/amazonq/latest/qdeveloper-ug/command-line-chat.html, and its source at
https://github.com/aws/amazon-q-developer-cli (crates/chat-cli), of which its screens are known.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.model.activity import Activity, ActivityState
from ao_core.model.session import PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import Agent, AgentInfo, Composer, Launch, Look, Resumable, Turn
from ao_core.slots.runtime import Command
from ao_core.spool import HookEvent, Raw
from ao_core.store.records import Delivery
from ao_plugins import _own_file
from ao_plugins._found import detected, remember, remembered
from ao_plugins._hooks import hook_in
from ao_plugins._q_chat import (
    AGENT,
    ASKING,
    TYPED,
    agent_file,
    line_state,
    of_hook,
    trusting,
    used_up,
)
from ao_plugins._q_history import History, history

_HINT = "Install it as its README says, then run `q login`. It is maintained no longer: see Kiro."
_FILE = f".amazonq/cli-agents/{AGENT}.json"
_CONTEXT = ("AmazonQ.md", "AGENTS.md", "README.md", ".amazonq/rules/**/*.md")  # as its own has


class AmazonQConfig(Config):
    """Settings for Amazon Q."""

    binary: str = "q"
    args: tuple[str, ...] = ()


class AmazonQ(Agent[AmazonQConfig], Resumable):
    """Drives the `q chat` command."""

    manifest: ClassVar[Manifest] = Manifest(
        name="amazon-q",
        slot="agent",
        description="Amazon Q Developer, by its terminal, with hooks.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = AmazonQConfig

    @classmethod
    async def detect(cls, config: AmazonQConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `q` is on that PATH, and knows agents and the hooks that are used."""
        return await detected(config.binary, environment, _HINT, least="1.18.0")

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "q"

    @property
    def credentials(self) -> Sequence[str]:
        """With `AMAZON_Q_SIGV4` it signs with these; else it has its own login, by `q login`."""
        return (
            "AMAZON_Q_SIGV4", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
            "AWS_PROFILE", "AWS_REGION",
        )  # fmt: skip

    @property
    def commands(self) -> Sequence[str]:
        """Those that ask nothing back."""
        return ("/compact", "/usage")

    @property
    def watched(self) -> bool:
        """Its questions are on its screen alone."""
        return True

    def launch(self, launch: Launch) -> Command:
        """Start a conversation with its task."""
        return self._command(launch, "--", launch.prompt.replace("\0", ""))

    async def resume(self, launch: Launch) -> Command | None:
        """Continue the conversation of its folder, which it keeps one of."""
        if await anyio.to_thread.run_sync(self._read, launch) is None:
            return None
        return self._command(launch, "--resume")

    async def prepare(self, launch: Launch) -> None:
        """The agent that it is started as, with hooks, tools and instructions."""
        script = await anyio.to_thread.run_sync(hook_in, self.scope.state)
        trusted = trusting(launch.permissions, "fs_write")
        more = {
            "resources": [f"file://{one}" for one in _CONTEXT],
            "useLegacyMcpJson": True,  # the servers of the user's own
        }
        contents = agent_file(launch, script, trusted, more)
        await _own_file.put(launch.workspace, _FILE, contents)
        await anyio.to_thread.run_sync(_remember, launch)

    def composer(self) -> Composer:
        """A line read at a prompt: there is no dialog but the question before it."""
        return Composer(
            interrupt=("C-c",),
            working=("Thinking...",),
            draft=f"{ASKING}|{TYPED}",
            best=Delivery.ACCEPTED,  # its userPromptSubmit hook is told the message and its token
        )

    def classify(self, screen: str) -> ActivityState | None:
        """By the last lines alone."""
        return line_state(screen)

    def quota(self, screen: str) -> str | None:
        """The line that says so."""
        return used_up(screen)

    def heard(self, told: Raw) -> HookEvent | None:
        """What its hooks are told."""
        return of_hook(told)

    async def native(self, look: Look) -> Activity | None:
        """What its own history of this folder shows."""
        found = await anyio.to_thread.run_sync(self._read, look.launch)
        return found.last if found else None

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its id; it keeps no account of tokens."""
        found = await anyio.to_thread.run_sync(self._read, launch)
        return AgentInfo(found.native_id, found.summary) if found else None

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages of that history."""
        found = await anyio.to_thread.run_sync(self._read, launch)
        return tuple(found.turns)[-limit:] if found and limit > 0 else ()

    def _command(self, launch: Launch, *rest: str) -> Command:
        argv = [self.config.binary, "chat", "--agent", AGENT]
        if launch.permissions is PermissionMode.PERMISSIONLESS:
            argv.append("--trust-all-tools")
        if launch.model:
            argv += ["--model", launch.model]
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, *rest), env)

    def _read(self, launch: Launch) -> History | None:
        data = remembered(launch.folder).get("data")
        return history(Path(data), launch.workspace) if data else None


def _remember(launch: Launch) -> None:
    given = launch.environment
    data = given.get("XDG_DATA_HOME") or f"{given.get('HOME', '~')}/.local/share"
    remember(launch.folder, {"data": f"{data}/amazon-q/data.sqlite3"})
