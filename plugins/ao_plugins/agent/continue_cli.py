"""Continue's `cn`, in its own terminal.

https://docs.continue.dev/guides/cli
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import anyio

from ao_core.activity import last
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Config, Detection, Manifest
from ao_core.slots.agent import Asked, Composer, Launch, Look, Resumable
from ao_core.slots.runtime import Command
from ao_core.store.records import Delivery
from ao_plugins._boxes import Box, lowest_box
from ao_plugins._found import detected
from ao_plugins._hooks import settings
from ao_plugins._logged import Receipted
from ao_plugins.agent._continue.home import furnished, home_of
from ao_plugins.agent._continue.log import Story, log_in, story_of

_HINT = "Install it with `npm install -g @continuedev/cli`, then run `cn` once."
_EDITS, _RUNS = ("Edit", "MultiEdit", "Write"), ("Bash", "Fetch")
_OURS = ("report", "ask", "message", "inbox", "consult")  # it knows tools by these names alone
_MODES: Mapping[PermissionMode, Mapping[str, Sequence[str]]] = {
    PermissionMode.DEFAULT: {"--ask": (*_EDITS, *_RUNS)},
    PermissionMode.SUGGEST: {"--ask": (*_EDITS, *_RUNS)},
    PermissionMode.AUTO_EDIT: {"--ask": _RUNS, "--allow": _EDITS},
}
_DIALOG = re.compile(
    r"(> )?(Continue \+ don't ask again|No, and tell Continue)"
    r"|(↑/↓ navigate, Enter select|Type answer, Enter submit)"
)
_WORKS = re.compile(r" ?\S*.{0,60}\( .*• esc to interrupt")
_LOGIN = re.compile(r"(?s).*Enter your Anthropic API key:\s*\Z")
_QUOTA = re.compile(r"\b(429|quota|credit|billing|usage limit|rate.?limit)", re.IGNORECASE)


class ContinueConfig(Config):
    """Settings for Continue."""

    binary: str = "cn"
    args: tuple[str, ...] = ()


class ContinueCli(Receipted[ContinueConfig, Story], Resumable):
    """Drives the `cn` command, which has no hooks: its screen and its log tell."""

    manifest: ClassVar[Manifest] = Manifest(
        name="continue",
        slot="agent",
        description="Continue, by its terminal.",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = ContinueConfig

    @classmethod
    async def detect(cls, config: ContinueConfig, environment: Mapping[str, str]) -> Detection:
        """Whether `cn` is on that PATH, and needs no account any more."""
        return await detected(config.binary, environment, _HINT, least="1.5.47")

    @property
    def process_name(self) -> str:
        """As its process is called."""
        return "node"

    @property
    def credentials(self) -> Sequence[str]:
        """Keys that its configuration may name, and where that is."""
        return ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "CONTINUE_API_KEY", "CONTINUE_GLOBAL_DIR")

    @property
    def watched(self) -> bool:
        """Its questions are on its screen alone."""
        return True

    def tells(self, drive: Drive) -> frozenset[Part]:
        """Its log has tokens; what they cost it guesses for models it does not know."""
        return frozenset({Part.TOKENS})

    def launch(self, launch: Launch) -> Command:
        """Start a conversation."""
        # a lone word could be one of its subcommands, also behind `--`
        prompt = launch.prompt.replace("\0", "")
        return self._command(launch, "--", f"{prompt}\n" if prompt.isalpha() else prompt)

    async def resume(self, launch: Launch) -> Command | None:
        """Continue it, if it ever said anything."""
        if await anyio.to_thread.run_sync(log_in, _home(launch) / "sessions") is None:
            return None
        return self._command(launch, "--resume")

    def environment(self, launch: Launch) -> Mapping[str, str]:
        """A folder of its own, for its conversation."""
        return {"CONTINUE_GLOBAL_DIR": str(_home(launch))}

    async def prepare(self, launch: Launch) -> None:
        """That folder, with what the user has, and the worker's tools."""
        await anyio.to_thread.run_sync(self._prepare, launch)

    def composer(self) -> Composer:
        """How its terminal is typed to. No key clears all of a draft, so one is only waited for."""
        return Composer(
            folded=("[Paste #",),
            dialogs=(
                "don't ask again (shift+tab)", "and tell Continue what to",
                "navigate, Enter select", "Type answer, Enter submit",
            ),
            clear=(),
            allow=("Tab",),
            deny=("Escape",),
            interrupt=("Escape",),
            working=("• esc to interrupt",),
            draft=r"\n│ ● (?!▋?Ask anything, @)\S[^╭]*\Z",
            ready=r"\n│ \S [^╭]*\Z",
            best=Delivery.SUBMITTED,  # what comes in a turn is in its log after that turn
        )  # fmt: skip

    def classify(self, screen: str) -> ActivityState | None:
        """By the box at its end, which is a dialog or the composer, and the line above that."""
        if _LOGIN.match(screen[-2_000:]):
            return ActivityState.BLOCKED
        box = _box(screen)
        if box is None:
            return None
        if any(map(_DIALOG.match, box.inside)):
            return ActivityState.WAITING_INPUT
        if not box.inside or not re.match(r"\S ", box.inside[0]):
            return None
        if any(map(_WORKS.match, box.above[-2:])):
            return ActivityState.ACTIVE
        return ActivityState.BLOCKED if _error(box) else ActivityState.IDLE

    def quota(self, screen: str) -> str | None:
        """The error that ended its turn, if it is about that."""
        said = _trouble(screen)
        return said if said and _QUOTA.search(said) else None

    async def asks(self, look: Look) -> Asked | None:
        """What its dialog is about: its log has all of that, the dialog only a part."""
        box = _box(look.screen or "")
        if box is None or not any(map(_DIALOG.match, box.inside)):
            return None
        story = await self.story(look.launch)
        return (story and story.asked) or Asked("a tool", box.inside[0])

    async def native(self, look: Look) -> Activity | None:
        """What its log shows, unless the screen was seen since: that knows better."""
        shown = self.classify(look.screen) if look.screen else None
        if look.screen and shown is ActivityState.BLOCKED:
            return Activity(shown, look.now, Source.SCREEN, _trouble(look.screen))
        story = await self.story(look.launch)
        seen = await anyio.to_thread.run_sync(last, look.launch.workspace)
        if shown or story is None or story.last is None:
            return None
        return None if seen and seen.at > story.last.at else story.last

    def _command(self, launch: Launch, *rest: str) -> Command:
        argv = [self.config.binary]
        if launch.permissions is PermissionMode.PERMISSIONLESS:
            argv.append("--auto")
        for flag, tools in _MODES.get(launch.permissions, {}).items():
            argv += [word for tool in tools for word in (flag, tool)]
        if launch.face:
            argv += ["--mcp", str(launch.folder / "continue-mcp.json"), "--exclude", "AskQuestion"]
            argv += [word for tool in _OURS for word in ("--allow", tool)]
        env = {**launch.environment, **self.environment(launch)}
        return Command((*argv, *self.config.args, *rest), env)

    def _prepare(self, launch: Launch) -> None:
        user = home_of(launch.environment)
        furnished(_home(launch), user, launch.system_prompt, launch.model)
        if launch.face:
            program, *args = launch.face
            server = {"name": "ao", "command": program, "args": args}
            block = {"name": "ao", "version": "1.0.0", "schema": "v1", "mcpServers": [server]}
            settings(launch.folder, "continue-mcp.json", block)

    def kept(self, launch: Launch) -> Story | None:
        """What its log amounts to."""
        log = log_in(_home(launch) / "sessions")
        return story_of(log) if log else None


def _home(launch: Launch) -> Path:
    return launch.folder / "continue"


def _box(screen: str) -> Box | None:
    box = lowest_box(screen)
    return box if box and len(box.below) <= 2 else None


def _trouble(screen: str) -> str | None:
    box = _box(screen)
    return _error(box) if box else "it wants a key for its model: run `cn` once"


def _error(box: Box) -> str | None:
    """What it says of itself, at the margin, below all that was said by it or to it."""
    for line in reversed(box.above[-12:]):
        if line.startswith("Error: "):
            return line
        if re.match(r" *[●○⎿]", line):
            return None
    return None
