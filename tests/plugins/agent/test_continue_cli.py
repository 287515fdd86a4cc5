"""Continue: its command, its folder, its screens and its log."""

import json
import os
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from ao_core.activity import record
from ao_core.model.activity import ActivityState, Source
from ao_core.model.session import PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Agent, Asked, Launch, Look
from ao_core.testing.agent import AgentContract
from ao_plugins.agent.continue_cli import ContinueCli, ContinueConfig
from plugins.agent.recorded import SAMPLES, quoted, screen

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "f997974b-039e-4614-8c2c-5db0098896d8"
S = ActivityState
COMMIT = 'echo hello > hello.txt && git add hello.txt && git commit -q -m "say hello"'
SCREENS = {
    "permission": S.WAITING_INPUT, "narrow-permission": S.WAITING_INPUT, "working": S.ACTIVE,
    "narrow-working": S.ACTIVE, "compacting": S.ACTIVE, "idle": S.IDLE, "narrow-idle": S.IDLE,
    "interrupted": S.IDLE, "denied": S.IDLE, "draft": S.IDLE, "folded": S.IDLE,
    "wide-draft": S.IDLE, "error": S.BLOCKED, "quota": S.BLOCKED, "login": S.BLOCKED,
}  # fmt: skip


def shown(name: str) -> str:
    return screen("continue", name)


def sessions(launch: Launch) -> Path:
    """Where it keeps its conversations."""
    folder = launch.folder / "continue" / "sessions"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class TestContinue(AgentContract):
    def make(self, scope: Scope) -> ContinueCli:
        return ContinueCli(ContinueConfig(), scope)

    def made_ready(self, agent: Agent[Any], launch: Launch) -> Launch:
        launch = replace(launch, face=("ao-mcp", "--worker"))
        cast("ContinueCli", agent)._prepare(launch)  # pyright: ignore[reportPrivateUsage]
        return launch

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        role = "user" if state is S.ACTIVE else "assistant"
        said = {"message": {"role": role, "content": "So."}}
        log = sessions(launch) / f"{ID}.json"
        log.write_text(json.dumps({"sessionId": ID, "history": [said]}))
        os.utime(log, (at.timestamp(), at.timestamp()))

    def recorded(self, launch: Launch, steps: int = 100) -> Path:
        """The conversation that was recorded, or its beginning."""
        told = json.loads((SAMPLES / "continue" / "conversation.json").read_text())
        told["history"] = told["history"][:steps]
        log = sessions(launch) / f"{ID}.json"
        log.write_text(json.dumps(told))
        (log.parent / "sessions.json").write_text("[]")
        return log

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_line(self, agent: ContinueCli, started: Launch) -> None:
        asks = ("Edit", "MultiEdit", "Write", "Bash", "Fetch")
        ours = ("report", "ask", "message", "inbox", "consult")
        assert agent.launch(replace(started, prompt="-p fix it")).argv == (
            "cn",
            *(word for tool in asks for word in ("--ask", tool)),
            *("--mcp", f"{started.folder}/continue-mcp.json", "--exclude", "AskQuestion"),
            *(word for tool in ours for word in ("--allow", tool)),
            *("--", "-p fix it"),
        )

    def test_what_it_may_do_is_said_in_so_many_words(
        self, agent: ContinueCli, started: Launch
    ) -> None:
        def argv(mode: PermissionMode) -> str:
            return " ".join(agent.launch(replace(started, permissions=mode)).argv)

        for mode in (PermissionMode.DEFAULT, PermissionMode.SUGGEST):
            assert "--ask Edit --ask MultiEdit --ask Write --ask Bash" in argv(mode)
            assert "--allow Edit" not in argv(mode)
            assert "--auto" not in argv(mode)
        edits = argv(PermissionMode.AUTO_EDIT)
        assert "--ask Bash" in edits
        assert "--allow Edit --allow MultiEdit --allow Write" in edits
        assert argv(PermissionMode.PERMISSIONLESS).startswith("cn --auto --mcp")

    def test_a_lone_word_is_no_subcommand(self, agent: ContinueCli, started: Launch) -> None:
        assert agent.launch(replace(started, prompt="ls")).argv[-1] == "ls\n"
        assert agent.launch(replace(started, prompt="ls it")).argv[-1] == "ls it"

    async def test_it_is_resumed_where_it_ever_said_anything(
        self, agent: ContinueCli, started: Launch
    ) -> None:
        assert await agent.resume(started) is None
        self.recorded(started)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv[-1] == "--resume"
        assert started.prompt not in command.argv

    # -- its folder --------------------------------------------------------------------------------

    async def test_it_has_what_the_user_has_and_its_conversation_to_itself(
        self, agent: ContinueCli, started: Launch, tmp_path: Path
    ) -> None:
        theirs = tmp_path / ".continue"
        for name in ("rules/mine.md", "sessions/old.json", "index/globalContext.json", ".env"):
            (theirs / name).parent.mkdir(parents=True, exist_ok=True)
            (theirs / name).write_text('{"cliSelectedModel": "theirs", "kept": 1}')
        before = sorted(theirs.rglob("*"))
        for model, chosen in ((None, "theirs"), ("ours", "ours")):
            await agent.prepare(replace(started, model=model))
            folder = Path(agent.environment(started)["CONTINUE_GLOBAL_DIR"])
            choices = json.loads((folder / "index" / "globalContext.json").read_text())
            assert choices == {"cliSelectedModel": chosen, "kept": 1, "autoUpdateCli": False}
        assert (folder / ".env").resolve() == theirs / ".env"
        assert (folder / "rules" / "mine.md").resolve() == theirs / "rules" / "mine.md"
        assert (folder / "rules" / "ao.md").read_text() == "Be kind.\n"
        assert not (folder / "sessions").exists()
        assert sorted(theirs.rglob("*")) == before
        assert list(started.workspace.iterdir()) == []

    async def test_where_the_user_has_it_elsewhere_that_is_taken(
        self, agent: ContinueCli, started: Launch, tmp_path: Path
    ) -> None:
        (tmp_path / "other").mkdir()
        (tmp_path / "other" / "config.yaml").touch()
        given = {**started.environment, "CONTINUE_GLOBAL_DIR": str(tmp_path / "other")}
        await agent.prepare(replace(started, environment=given))
        link = started.folder / "continue" / "config.yaml"
        assert link.resolve() == tmp_path / "other" / "config.yaml"

    async def test_the_workers_tools(self, agent: ContinueCli, started: Launch) -> None:
        block = json.loads((started.folder / "continue-mcp.json").read_text())
        assert block["mcpServers"] == [{"name": "ao", "command": "ao-mcp", "args": ["--worker"]}]

    # -- what its screen shows ---------------------------------------------------------------------

    @pytest.mark.parametrize("name", SCREENS)
    def test_its_screens(self, agent: ContinueCli, name: str) -> None:
        assert agent.classify(shown(name)) is SCREENS[name]

    @pytest.mark.parametrize("under", ["idle", "working"])
    def test_what_it_quotes_is_no_dialog(self, agent: ContinueCli, under: str) -> None:
        for name in SCREENS:
            assert agent.classify(quoted(shown(name), shown(under))) is SCREENS[under]

    def test_an_error_that_it_tells_of_is_none_of_its_own(self, agent: ContinueCli) -> None:
        said = shown("idle").replace("  It is written.", "● Error: 500 is what I saw\n  Error: 2")
        assert agent.classify(said) is S.IDLE

    def test_a_line_without_end_and_wide_letters_change_nothing(self, agent: ContinueCli) -> None:
        long = shown("working").replace("● Remember", "x" * 200_000 + "\n● Remember")
        assert agent.classify(long) is S.ACTIVE
        wide = shown("permission").replace("echo hello", "echo 写一个👩‍💻こんにちは")
        assert agent.classify(wide) is S.WAITING_INPUT

    @pytest.mark.parametrize("name", SCREENS)
    def test_only_its_composer_is_typed_to_and_only_an_empty_one(
        self, agent: ContinueCli, name: str
    ) -> None:
        composer = agent.composer()
        closed = name in ("permission", "narrow-permission", "login")
        drafts = name in ("draft", "folded", "wide-draft")
        assert bool(re.search(composer.ready, shown(name))) is not closed
        assert bool(re.search(composer.draft, shown(name))) is drafts
        dialog = any(text in shown(name) for text in composer.dialogs)
        assert dialog is (SCREENS[name] is S.WAITING_INPUT)

    async def test_an_error_blocks_it_and_is_told(self, agent: ContinueCli, look: Look) -> None:
        found = await agent.activity(replace(look, screen=shown("error")))
        assert found is not None
        assert (found.state, found.detail) == (S.BLOCKED, "Error: 401 that is not the key")
        assert agent.quota(shown("error")) is None
        assert "429" in str(agent.quota(shown("quota")))

    # -- what it asks ------------------------------------------------------------------------------

    async def test_its_dialog_asks_for_what_its_log_has_not_begun(
        self, agent: ContinueCli, look: Look
    ) -> None:
        look = replace(look, screen=shown("permission"))
        assert await agent.asks(look) == Asked("a tool", f"Bash({COMMIT})")
        log = self.recorded(look.launch, steps=2)
        told = json.loads(log.read_text())
        told["history"][1]["toolCallStates"][0]["status"] = "generated"
        log.write_text(json.dumps(told))
        asked = await agent.asks(look)
        assert asked is not None
        assert (asked.tool, json.loads(asked.arguments)) == ("Bash", {"command": COMMIT})
        assert await agent.asks(replace(look, screen=shown("idle"))) is None
        assert await agent.asks(replace(look, screen=None)) is None

    # -- its log -----------------------------------------------------------------------------------

    async def test_its_turns_and_what_it_used(self, agent: ContinueCli, started: Launch) -> None:
        self.recorded(started)
        turns = await agent.turns(started, 4)
        assert [turn.role for turn in turns] == ["assistant", "user", "assistant", "user"]
        assert turns[0].text == "It is written."
        assert (await agent.turns(started))[1].tools == (f"Bash {COMMIT}",)
        info = await agent.info(started)
        assert info is not None
        assert (info.native_id, info.summary) == (ID, "Noted.")
        used = info.usage
        assert (used.input_tokens, used.output_tokens, used.cost_usd) == (40, 20, None)

    async def test_what_it_was_told_is_known_by_its_token(
        self, agent: ContinueCli, started: Launch
    ) -> None:
        assert await agent.taken(started) == frozenset()
        self.recorded(started)
        assert await agent.taken(started) == {"abc123"}

    async def test_its_log_is_believed_until_its_screen_was_seen(
        self, agent: ContinueCli, look: Look
    ) -> None:
        at = look.now - timedelta(seconds=5)
        self.write_native(look.launch, S.ACTIVE, at)
        found = await agent.activity(look)
        assert found is not None
        assert (found.state, found.at) == (S.ACTIVE, at)
        record(look.launch.workspace, S.IDLE, Source.SCREEN, look.now - timedelta(seconds=1))
        found = await agent.activity(look)  # it was broken off, which its log does not tell
        assert found is not None
        assert found.state is S.IDLE

    async def test_a_log_that_is_half_written_is_none(
        self, agent: ContinueCli, started: Launch
    ) -> None:
        log = self.recorded(started)
        log.write_bytes(log.read_bytes()[:200])
        assert await agent.info(started) is None
        for odd in ("[]", "{}", '{"history": [3, {"message": 1}], "usage": 2}'):
            log.write_text(odd)
            assert (await agent.turns(started), await agent.taken(started)) == ((), frozenset())
        shutil.rmtree(log.parent)
        assert await agent.info(started) is None
