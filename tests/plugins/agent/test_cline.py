"""Cline: its commands, the folder it is given, its plugin, its screens and its log."""

import json
import re
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ao_core.model.activity import ActivityState
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.process import run
from ao_core.slots.agent import Agent, Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.testing.agent import AgentContract
from ao_plugins.agent.cline import Cline, ClineConfig
from plugins.agent.recorded import SAMPLES, screen

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ID = "1795298823979_zmkna"
ACTIVE, IDLE, ASKS = ActivityState.ACTIVE, ActivityState.IDLE, ActivityState.WAITING_INPUT
_SAID = {ActivityState.ACTIVE: "user", ActivityState.READY: "assistant"}


def raw(hook: str, **told: Any) -> Raw:
    return Raw("1-x", hook, AT, told)


def keep(launch: Launch, messages: list[dict[str, Any]] | None = None) -> None:
    """Make what it keeps what was recorded, or these messages."""
    folder = launch.folder / "cline/data/sessions" / ID
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{ID}.json").write_text((SAMPLES / "cline/session.json").read_text())
    kept = (SAMPLES / "cline/messages.json").read_text()
    said = json.dumps({"messages": messages}) if messages is not None else kept
    (folder / f"{ID}.messages.json").write_text(said)


class TestCline(AgentContract):
    def make(self, scope: Scope) -> Cline:
        return Cline(ClineConfig(), scope)

    def made_ready(self, agent: Agent[Any], launch: Launch) -> Launch:
        given = {"AO_TOKEN": "t", "AO_SOCKET": "/s", **launch.environment}
        return replace(launch, face=("ao-mcp", "--worker"), environment=given)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        stamp, text = int(at.timestamp() * 1000), [{"type": "text", "text": "So."}]
        keep(launch, [{"role": _SAID[state], "ts": stamp, "content": text}])

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_line(self, agent: Cline, started: Launch) -> None:
        launch = replace(started, prompt="-p fix it", model="m/1")
        command = agent.launch(launch)
        assert command.argv == (
            *("cline", "--auto-approve=false", "--model", "m/1", "--tui", "--", "-p fix it"),
        )
        assert command.env["CLINE_MODEL"] == "m/1"

    @pytest.mark.parametrize(("word", "said"), [("update", "update\n"), ("", "\n"), ("a b", "a b")])
    def test_a_word_alone_is_never_a_command_of_its(
        self, agent: Cline, started: Launch, word: str, said: str
    ) -> None:
        assert agent.launch(replace(started, prompt=word)).argv[-1] == said

    @pytest.mark.parametrize("mode", PermissionMode)
    def test_what_it_may_do_is_said_in_so_many_words(
        self, agent: Cline, started: Launch, mode: PermissionMode
    ) -> None:
        free = "true" if mode is PermissionMode.PERMISSIONLESS else "false"
        launch = replace(started, permissions=mode)
        spoken = agent.converse(launch)
        assert spoken is not None
        assert spoken.argv == ("cline", "--acp", f"--auto-approve={free}")
        assert agent.launch(launch).argv[1] == f"--auto-approve={free}"
        assert agent.mode(mode) is None

    def test_by_its_terminal_it_is_driven_unless_somebody_says_otherwise(
        self, agent: Cline
    ) -> None:
        assert agent.preferred is Drive.TERMINAL
        assert all(agent.tells(drive) == {Part.TOKENS, Part.COST} for drive in Drive)
        assert not agent.counts  # by protocol it is asked of its files as well
        assert agent.instructed

    def test_it_starts_no_daemon_and_shows_no_advert(self, agent: Cline, started: Launch) -> None:
        own = agent.environment(started)
        assert own["CLINE_SANDBOX"] == "1"
        assert own["CLINE_SANDBOX_DATA_DIR"] == own["CLINE_DATA_DIR"]
        assert own["CLINE_SESSION_BACKEND_MODE"] == "local"
        assert own["CLINE_DISABLE_CLINE_PASS_NOTICE"] == "1"

    async def test_it_is_resumed_by_its_id_where_it_was_ever_told_anything(
        self, agent: Cline, started: Launch
    ) -> None:
        assert await agent.resume(started) is None
        keep(started)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv == ("cline", "--auto-approve=false", "--tui", "--id", ID)

    # -- the folder it is given --------------------------------------------------------------------

    def users(self, launch: Launch) -> Path:
        own = Path(launch.environment["HOME"]) / ".cline"
        for name in ("data/settings", "plugins", "rules", "skills"):
            (own / name).mkdir(parents=True, exist_ok=True)
        (own / "data/settings/providers.json").write_text("{}")
        (own / "plugins/theirs.js").write_text("export default {};")
        (own / "rules/theirs.md").write_text("Be brief.\n")
        return own

    async def test_it_has_all_that_the_user_has(self, agent: Cline, started: Launch) -> None:
        own, root = self.users(started), started.folder / "cline"
        await agent.prepare(started)
        assert (root / "data/settings").resolve() == own / "data/settings"
        assert (root / "skills").resolve() == own / "skills"
        assert (root / "plugins/theirs.js").resolve() == own / "plugins/theirs.js"
        assert (root / "rules/theirs.md").read_text() == "Be brief.\n"
        assert (root / "rules/ao.md").read_text() == "Be kind.\n"
        assert agent.environment(started)["CLINE_DIR"] == str(root)

    async def test_the_user_s_files_stay_as_they_are(self, agent: Cline, started: Launch) -> None:
        own = self.users(started)
        before = sorted(own.rglob("*"))
        await agent.prepare(started)
        await agent.prepare(started)  # for a restore
        assert sorted(own.rglob("*")) == before
        assert list(started.workspace.iterdir()) == []

    async def test_the_workers_tools_come_to_the_users_own(
        self, agent: Cline, started: Launch
    ) -> None:
        file = self.users(started) / "data/settings/cline_mcp_settings.json"
        file.write_text(json.dumps({"mcpServers": {"theirs": {"command": "x"}}}))
        await agent.prepare(started)
        written = started.folder / "cline/mcp.json"
        servers = json.loads(written.read_text())["mcpServers"]
        assert servers["theirs"] == {"command": "x"}
        assert servers["ao"] == {
            "command": "ao-mcp", "args": ["--worker"],
            "env": {"AO_TOKEN": "t", "AO_SOCKET": "/s"},
        }  # fmt: skip
        assert written.stat().st_mode & 0o077 == 0
        assert agent.environment(started)["CLINE_MCP_SETTINGS_PATH"] == str(written)

    @pytest.mark.parametrize("odd", ["{", "[]", '{"mcpServers": 3}', "\x00"])
    async def test_odd_settings_of_the_users_are_passed_over(
        self, agent: Cline, started: Launch, odd: str
    ) -> None:
        (self.users(started) / "data/settings/cline_mcp_settings.json").write_text(odd)
        await agent.prepare(started)
        servers = json.loads((started.folder / "cline/mcp.json").read_text())["mcpServers"]
        assert [*servers] == ["ao"]

    # -- its plugin --------------------------------------------------------------------------------

    async def played(self, agent: Cline, launch: Launch, script: str) -> tuple[str, list[Raw]]:
        """Have a script use the plugin as cline would; what it prints, and what is left."""
        node = shutil.which("node")
        if node is None:
            pytest.skip("there is no Node.js")
        await agent.prepare(launch)
        plugin = launch.folder / "cline/plugins/ao.js"
        module = launch.folder / "plugin.mjs"
        module.write_text(plugin.read_text())
        code = f"import plugin from {json.dumps(str(module))};\nconst h = plugin.hooks;\n{script}"
        argv = [node, "--input-type=module", "-e", code]
        done = await run(argv, env={"PATH": "/usr/bin:/bin"}, deadline=30)
        files = sorted(launch.spool.glob("*.raw"), key=lambda one: one.stat().st_mtime_ns)
        said = [raw(one.name.split(".")[0], **json.loads(one.read_text())) for one in files]
        return done.text, said

    async def test_its_plugin_tells_of_a_turn(self, agent: Cline, started: Launch) -> None:
        script = """
        const message = {content: [{type: "text", text: "Go on. [/abc]"}]};
        h.beforeRun({snapshot: {messages: [{}, message]}});
        h.beforeRun({snapshot: {parentAgentId: "lead", messages: [message]}});
        await new Promise((done) => setTimeout(done, 20));
        h.afterRun({snapshot: {}, result: {status: "completed", outputText: "So."}});
        """
        _, left = await self.played(agent, started, script)
        first, last = map(agent.heard, left)
        assert first is not None
        assert last is not None
        assert (first.kind, first.token) == (HookKind.TURN_STARTED, "abc")
        assert (last.kind, last.text) == (HookKind.TURN_ENDED, "So.")

    async def test_a_tool_that_waits_for_its_dialog_is_asked_about_until_it_goes_on(
        self, agent: Cline, started: Launch
    ) -> None:
        script = """
        const call = (id) => ({toolCallId: id, toolName: "run_commands"});
        h.beforeTool({toolCall: call("fast"), input: {}});
        h.onEvent({type: "tool-started", toolCall: call("fast")});
        h.afterTool({toolCall: call("fast")});
        h.beforeTool({toolCall: call("slow"), input: {commands: ["make"]}});
        await new Promise((done) => setTimeout(done, 1200));
        h.onEvent({type: "tool-started", toolCall: call("slow")});
        h.afterTool({toolCall: call("slow")});
        """
        _, left = await self.played(agent, started, script)
        asked, over = map(agent.heard, left)
        assert asked is not None
        assert over is not None
        assert (asked.kind, asked.id, asked.tool) == (
            *(HookKind.PERMISSION_ASKED, "slow", "run_commands"),
        )
        assert asked.arguments == '{"commands": ["make"]}'
        assert (over.kind, over.id) == (HookKind.PERMISSION_ENDED, "slow")

    async def test_only_a_workers_own_tools_need_no_permission(
        self, agent: Cline, started: Launch
    ) -> None:
        script = """
        const say = (toolName) => JSON.stringify(h.beforeTool({toolCall: {toolName}}) ?? null);
        console.log(say("ao__report"), say("run_commands"), say("theirs__ao__x"), say(undefined));
        process.exit(0);
        """
        said, _ = await self.played(agent, started, script)
        assert said.split() == ['{"policy":{"autoApprove":true}}', "null", "null", "null"]

    async def test_by_protocol_its_plugin_tells_nothing(
        self, agent: Cline, started: Launch
    ) -> None:
        script = 'h.afterRun({result: {status: "completed"}});'
        _, left = await self.played(agent, replace(started, drive=Drive.PROTOCOL), script)
        assert left == []

    # -- what is heard of it -----------------------------------------------------------------------

    def test_a_prompt_is_known_by_its_token_whatever_is_put_around_it(self, agent: Cline) -> None:
        said = '<user_input mode="act">[abc] Go on. [/abc]</user_input>'
        told = agent.heard(raw("beforeRun", prompt=said))
        assert told is not None
        assert (told.token, told.text) == ("abc", "[abc] Go on. [/abc]")

    @pytest.mark.parametrize(
        ("status", "kind", "text"),
        [
            ("completed", HookKind.TURN_ENDED, "So."),
            ("aborted", HookKind.TURN_ENDED, ""),
            ("failed", HookKind.BLOCKED, "no quota"),
        ],
    )
    def test_how_a_turn_ended(self, agent: Cline, status: str, kind: HookKind, text: str) -> None:
        told = agent.heard(raw("afterRun", status=status, text="So.", error="no quota"))
        assert told is not None
        assert (told.kind, told.text) == (kind, text)
        assert agent.heard(raw("unknown")) is None

    # -- what its screen shows ---------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("permission", ASKS), ("narrow", ASKS), ("advert", ASKS), ("working", ACTIVE),
            ("tool", ACTIVE), ("idle", IDLE), ("draft", IDLE), ("folded", IDLE),
            ("interrupted", IDLE), ("denied", IDLE), ("login", IDLE), ("context", IDLE),
        ],
    )  # fmt: skip
    def test_its_screens(self, agent: Cline, name: str, state: ActivityState) -> None:
        assert agent.classify(screen("cline", name)) is state

    @pytest.mark.parametrize("under", ["idle", "working"])
    def test_what_it_quotes_is_no_dialog(self, agent: Cline, under: str) -> None:
        below = screen("cline", under)
        head, *rest = below.splitlines()
        for name in ("permission", "advert", "working", "idle"):
            said = [f"   {one}" for one in screen("cline", name).splitlines()]
            shown = "\n".join([head, " * It looked like this:", *said, " * So it is.", *rest])
            assert agent.classify(shown) is agent.classify(below)

    def test_a_tool_that_prints_is_at_work(self, agent: Cline) -> None:
        shown = screen("cline", "tool")
        spins = next(line for line in shown.splitlines() if "⠦" in line)
        printed = "\n".join(f"   ⎿ line {count}" for count in range(6))
        assert agent.classify(shown.replace(spins, f"{spins}\n{printed}")) is ACTIVE

    def test_a_line_without_end_and_wide_letters_change_nothing(self, agent: Cline) -> None:
        shown = screen("cline", "working")
        assert agent.classify("x" * 200_000 + "\n" + shown) is ACTIVE
        assert agent.classify(shown.replace("hello there", "写一个 👩‍💻 こんにちは")) is ACTIVE

    def test_what_is_half_typed_is_seen(self, agent: Cline) -> None:
        draft = agent.composer().draft
        drafts = {one for one in ("idle", "working", "draft", "folded")
                  if re.search(draft, screen("cline", one))}  # fmt: skip
        assert drafts == {"draft", "folded"}

    def test_one_that_goes_on_is_not_typed_to_before_it_shows_what_was_said(
        self, agent: Cline
    ) -> None:
        ready, shown = agent.composer().ready, screen("cline", "idle")
        lines = shown.splitlines()
        composer = next(at for at, line in enumerate(lines) if line.startswith("─"))
        assert re.search(ready, shown)
        assert not re.search(ready, "\n" * 20 + "\n".join(lines[composer:]))
        assert not re.search(ready, "\n" * 20)

    # -- its log -----------------------------------------------------------------------------------

    async def test_its_turns_and_what_it_used(self, agent: Cline, started: Launch) -> None:
        keep(started)
        turns = await agent.turns(started, 5)
        assert turns[0].tools == turns[1].tools == ()
        assert turns[0].role == "assistant"
        assert turns[1].text.startswith("[m1] hello there\n")  # without what is put around it
        assert turns[-1].tools == ('ao__report {"state": "done", "note": "x"}',)
        info = await agent.info(started)
        assert info is not None
        assert (info.native_id, info.summary) == (ID, "Remember the word heliotrope.")
        assert info.usage == Usage(60, 30, None)  # it has no price for that model

    async def test_the_agents_it_has_of_its_own_are_not_meant(
        self, agent: Cline, started: Launch
    ) -> None:
        keep(started)
        (started.folder / "cline/data/sessions/9999999999999_x__teammate").mkdir()
        info = await agent.info(started)
        assert info is not None
        assert info.native_id == ID

    @pytest.mark.parametrize("torn", ["", '{"messages": [', "[]", '{"messages": 3}', "\x00"])
    async def test_a_torn_or_odd_file_tells_nothing(
        self, agent: Cline, started: Launch, look: Look, torn: str
    ) -> None:
        keep(started)
        folder = started.folder / "cline/data/sessions" / ID
        (folder / f"{ID}.messages.json").write_text(torn)
        assert list(await agent.turns(started)) == []
        assert await agent.activity(look) is None

    async def test_an_odd_message_is_passed_over(self, agent: Cline, started: Launch) -> None:
        said = {"role": "assistant", "ts": 1795298825605, "content": "So."}
        odd: list[Any] = [3, {"role": "user"}, {"role": "user", "ts": "x"}, {"ts": -1}, said]
        keep(started, odd)
        assert [turn.text for turn in await agent.turns(started)] == ["So."]
