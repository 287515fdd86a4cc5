"""goose: its commands, the root it is given, its hooks, its screens and its database."""

import json
import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from ao_core.engine.caller import Role
from ao_core.model.activity import ActivityState, Source
from ao_core.model.session import Drive, PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.slots.agent import Agent, Asked, Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.testing.agent import AgentContract
from ao_mcp.mcp.tools import Toolbox
from ao_mcp.operations.every import OPERATIONS
from ao_mcp.service import Service
from ao_plugins.agent._goose.root import TOOLS
from ao_plugins.agent._goose.screen import READY, asked, trouble
from ao_plugins.agent.goose import Goose, GooseConfig
from plugins.agent.recorded import SAMPLES, screen

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
ACTIVE, IDLE, ASKS = ActivityState.ACTIVE, ActivityState.IDLE, ActivityState.WAITING_INPUT
_SAID = {ActivityState.ACTIVE: "user", ActivityState.READY: "assistant"}
_ONE_MORE = """INSERT INTO messages (session_id, role, content_json, created_timestamp)
VALUES ('20261121_4', ?, ?, ?)"""


def raw(hook: str, **told: Any) -> Raw:
    return Raw("1-x", hook, AT, told)


def name_of(agent: Goose, launch: Launch) -> str:
    argv = agent.launch(launch).argv
    return argv[argv.index("--name") + 1]


def database(launch: Launch) -> Path:
    return Path(launch.environment["HOME"]) / ".local/share/goose/sessions/sessions.db"


def keep(agent: Goose, launch: Launch, more: str = "", said: Sequence[object] = ()) -> None:
    """Make what it keeps what was recorded, under the name of this session, and a message more."""
    file = database(launch)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    recorded = (SAMPLES / "goose" / "conversation.sql").read_text()
    with closing(sqlite3.connect(file)) as kept:
        kept.executescript(recorded.replace("'NAME'", f"'{name_of(agent, launch)}'") + more)
        if said:
            kept.execute(_ONE_MORE, said)
            kept.commit()


class TestGoose(AgentContract):
    def make(self, scope: Scope) -> Goose:
        return Goose(GooseConfig(), scope)

    def made_ready(self, agent: Agent[Any], launch: Launch) -> Launch:
        launch = replace(launch, face=("ao-mcp", "--worker"))
        cast("Goose", agent)._prepare(launch)  # pyright: ignore[reportPrivateUsage]
        return launch

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        agent = Goose(GooseConfig(), Scope(state=launch.folder, project="app"))
        content = json.dumps([{"type": "text", "text": "So."}])
        keep(agent, launch, said=(_SAID[state], content, int(at.timestamp())))

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_line(self, agent: Goose, started: Launch) -> None:
        launch = replace(started, prompt="-t fix it", model="m/1")
        command = agent.launch(launch)
        assert command.argv == (
            *("goose", "run", "--interactive", "--name", name_of(agent, started)),
            *("--instructions", f"{started.folder}/task.md"),
            *("--with-extension", f"{started.folder}/ao"),
        )
        assert command.env["GOOSE_MODEL"] == "m/1"
        assert "GOOSE_MODEL" not in agent.environment(started)

    def test_its_name_is_the_same_each_time_and_another_for_each_session(
        self, agent: Goose, started: Launch
    ) -> None:
        assert name_of(agent, started) == name_of(agent, started)
        other = replace(started, prompt_file=Path("/elsewhere/task.md"))
        assert name_of(agent, other) != name_of(agent, started)

    def test_by_protocol_it_is_its_server(self, agent: Goose, started: Launch) -> None:
        command = agent.converse(started)
        assert command is not None
        assert command.argv == ("goose", "acp")
        assert agent.preferred is Drive.PROTOCOL
        assert agent.instructed

    @pytest.mark.parametrize(
        ("permissions", "mode"),
        [
            (PermissionMode.DEFAULT, "approve"), (PermissionMode.SUGGEST, "approve"),
            (PermissionMode.AUTO_EDIT, "approve"), (PermissionMode.PERMISSIONLESS, "auto"),
        ],
    )  # fmt: skip
    def test_its_mode_is_said_each_time(
        self, agent: Goose, started: Launch, permissions: PermissionMode, mode: str
    ) -> None:
        own = agent.environment(replace(started, permissions=permissions))
        assert (own["GOOSE_MODE"], agent.mode(permissions)) == (mode, mode)

    async def test_it_is_resumed_by_its_id_where_it_was_ever_told_anything(
        self, agent: Goose, started: Launch
    ) -> None:
        assert await agent.resume(started) is None
        keep(agent, started, "DELETE FROM messages;")
        assert await agent.resume(started) is None
        keep(agent, started)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv[:5] == ("goose", "session", "--resume", "--session-id", "20261121_4")

    # -- the root it is given ----------------------------------------------------------------------

    def users(self, launch: Launch) -> Path:
        home = Path(launch.environment["HOME"])
        (home / ".config/goose").mkdir(parents=True, exist_ok=True)
        (home / ".config/goose/config.yaml").write_text("GOOSE_PROVIDER: openai\n")
        own = home / ".agents/plugins/theirs"
        own.mkdir(parents=True, exist_ok=True)
        return home

    async def test_it_has_all_that_the_user_has(self, agent: Goose, started: Launch) -> None:
        home, root = self.users(started), started.folder / "goose"
        await agent.prepare(started)
        assert (root / "config/config.yaml").read_text() == "GOOSE_PROVIDER: openai\n"
        assert (root / "data").resolve() == home / ".local/share/goose"
        assert (root / "state").resolve() == home / ".local/state/goose"
        assert (root / ".agents/plugins/theirs").resolve() == home / ".agents/plugins/theirs"
        assert agent.environment(started)["GOOSE_PATH_ROOT"] == str(root)

    async def test_a_root_of_the_users_own_is_where_it_is_looked_for(
        self, agent: Goose, started: Launch, tmp_path: Path
    ) -> None:
        given = {**started.environment, "GOOSE_PATH_ROOT": str(tmp_path / "own")}
        await agent.prepare(replace(started, environment=given))
        assert (started.folder / "goose/data").resolve() == tmp_path / "own/data"

    async def test_the_user_s_files_stay_as_they_are(self, agent: Goose, started: Launch) -> None:
        home = self.users(started)
        before = sorted(one for one in home.rglob("*") if "goose/" not in str(one))
        await agent.prepare(started)
        await agent.prepare(started)  # for a restore
        after = sorted(one for one in home.rglob("*") if "goose/" not in str(one))
        assert {*after} - {*before} <= {home / "state", home / "state/hook"}
        assert list(started.workspace.iterdir()) == []

    async def test_only_a_workers_own_tools_need_no_permission(
        self, agent: Goose, started: Launch
    ) -> None:
        home = self.users(started)
        users = {"user": {"always_allow": ["shell"], "ask_before": [], "never_allow": ["write"]}}
        (home / ".config/goose/permission.yaml").write_text(json.dumps(users))
        await agent.prepare(started)
        told = json.loads((started.folder / "goose/config/permission.yaml").read_text())["user"]
        assert "shell" not in told["always_allow"]
        assert {f"ao__{name}" for name in ("ask", "report", "inbox", "message")} <= {
            *told["always_allow"]
        }
        assert told["never_allow"] == ["write"]
        assert json.loads((home / ".config/goose/permission.yaml").read_text()) == users

    @pytest.mark.parametrize("odd", ["user: [", "- 1", "user: {never_allow: [1, {}]}", "\x00"])
    async def test_odd_permissions_of_the_users_are_passed_over(
        self, agent: Goose, started: Launch, odd: str
    ) -> None:
        (self.users(started) / ".config/goose/permission.yaml").write_text(odd)
        await agent.prepare(started)
        told = json.loads((started.folder / "goose/config/permission.yaml").read_text())["user"]
        assert told["never_allow"] == []

    @pytest.mark.parametrize(
        ("drive", "heard"), [(Drive.TERMINAL, ["UserPromptSubmit"]), (Drive.PROTOCOL, [])]
    )
    async def test_its_hooks_tell_where_its_protocol_does_not(
        self, agent: Goose, started: Launch, drive: Drive, heard: list[str]
    ) -> None:
        await agent.prepare(replace(started, drive=drive))
        file = started.folder / "goose/.agents/plugins/ao/hooks/hooks.json"
        assert [*json.loads(file.read_text())["hooks"]] == heard

    async def test_the_workers_tools_are_started_by_a_program_of_their_name(
        self, agent: Goose, started: Launch
    ) -> None:
        script = started.folder / "ao"
        assert script.read_text() == '#!/bin/sh\nexec ao-mcp --worker "$@"\n'
        assert script.stat().st_mode & 0o777 == 0o700

    # -- what its hooks say ------------------------------------------------------------------------

    def test_a_prompt_of_ours_is_known_by_its_token(self, agent: Goose) -> None:
        told = agent.heard(raw("UserPromptSubmit", message="[abc] Go on. [/abc]"))
        assert told is not None
        assert (told.kind, told.token, told.at) == (HookKind.TURN_STARTED, "abc", AT)
        somebodys = agent.heard(raw("UserPromptSubmit", message="[/abc] is what I saw"))
        assert somebodys is not None
        assert somebodys.token is None

    def test_when_it_waits_its_turn_is_over(self, agent: Goose) -> None:
        told = agent.heard(raw("waiting"))
        assert told is not None
        assert told.kind is HookKind.TURN_ENDED
        assert agent.heard(raw("thinking")) is None

    # -- what its screen shows ---------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("permission", ASKS), ("narrow", ASKS), ("telemetry", ASKS), ("working", ACTIVE),
            ("tool", None), ("idle", IDLE), ("interrupted", IDLE), ("leaving", IDLE),
            ("login", IDLE), ("quota", IDLE), ("context", IDLE), ("draft", None),
        ],
    )  # fmt: skip
    def test_its_screens(self, agent: Goose, name: str, state: ActivityState | None) -> None:
        assert agent.classify(screen("goose", name)) is state

    async def test_what_it_asks_for_is_read_from_its_dialog(self, agent: Goose, look: Look) -> None:
        async def asked(name: str) -> Asked | None:
            return await agent.asks(replace(look, screen=screen("goose", name)))

        assert await asked("permission") == Asked("shell", "command: sleep 5; echo slept")
        assert await asked("narrow") is not None
        for name in ("idle", "working", "tool", "telemetry"):  # of the last, nobody but a person
            assert await asked(name) is None

    def test_only_an_empty_composer_is_typed_to(self, agent: Goose) -> None:
        assert agent.composer().ready == READY
        names = ("idle", "interrupted", "leaving", "draft", "working", "tool", "permission")
        ready = {name for name in names if re.search(READY, screen("goose", name))}
        assert ready == {"idle", "interrupted", "leaving"}

    @pytest.mark.parametrize("under", ["idle", "working"])
    def test_what_it_quotes_is_no_dialog(self, agent: Goose, under: str) -> None:
        below = screen("goose", under)
        for name in ("permission", "working", "idle", "quota"):
            shown = f"It looked like this:\n{screen('goose', name)}\n{below}"
            assert agent.classify(shown) is agent.classify(below)
            assert asked(shown) is None
            assert trouble(shown) is None

    @pytest.mark.parametrize("below", ["    slept", "└── a file of a tree", "◐  Reading...  x"])
    def test_a_dialog_below_which_something_was_printed_is_over(
        self, agent: Goose, below: str
    ) -> None:
        shown = f"{screen('goose', 'permission').rstrip()}\n{below}\n"
        assert agent.classify(shown) is None
        assert asked(shown) is None

    def test_a_line_without_end_and_wide_letters_change_nothing(self, agent: Goose) -> None:
        shown = screen("goose", "idle")
        assert agent.classify("x" * 200_000 + "\n" + shown) is IDLE
        assert agent.classify(shown.replace("It is done", "写一个 👩‍💻 こんにちは")) is IDLE

    @pytest.mark.parametrize(
        ("name", "why"),
        [("login", "Incorrect API key"), ("quota", "current quota"), ("context", "context limit")],
    )
    async def test_an_error_blocks_it_and_is_told(
        self, agent: Goose, look: Look, name: str, why: str
    ) -> None:
        found = await agent.activity(replace(look, screen=screen("goose", name)))
        assert found is not None
        assert (found.state, found.source) == (ActivityState.BLOCKED, Source.SCREEN)
        assert why in str(found.detail)

    def test_by_protocol_an_error_is_said_like_anything_else(self, agent: Goose) -> None:
        again = "\n\nPlease retry if you think this is a transient or recoverable error."
        said = "Ran into this error: Rate limit exceeded: no quota."
        assert agent.trouble(said + again) == said
        assert agent.trouble(f"I write it.{said}{again}") == said
        assert agent.trouble(said) is None
        assert agent.trouble(f"{said}{again}\nThat is what I saw.") is None

    # -- its database ------------------------------------------------------------------------------

    async def test_its_turns_and_what_it_used(self, agent: Goose, started: Launch) -> None:
        keep(agent, started)
        turns = await agent.turns(started, 5)
        assert [turn.role for turn in turns] == [
            "user",
            "assistant",
            "assistant",
            "user",
            "assistant",
        ]
        assert turns[1].tools[0].startswith("shell echo hello")
        assert turns[-1].text == "Noted, thank you."
        info = await agent.info(started)
        assert info is not None
        assert (info.native_id, info.usage) == ("20261121_4", Usage(30, 15, None))

    async def test_a_session_of_that_id_is_meant_whatever_its_name(
        self, agent: Goose, started: Launch
    ) -> None:
        more = "INSERT INTO sessions VALUES ('other', 'mine', '2027-01-01', 1, 2, 0.5);"
        keep(agent, started, more)
        info = await agent.info(replace(started, native_id="other"))
        assert info is not None
        assert info.usage == Usage(1, 2, 0.5)

    async def test_what_is_hidden_from_people_is_no_turn(
        self, agent: Goose, started: Launch
    ) -> None:
        hidden = """UPDATE messages SET metadata_json = '{"userVisible":false}';"""
        keep(agent, started, hidden)
        assert await agent.turns(started) == ()

    @pytest.mark.parametrize("odd", ["{", "3", '[1, {"type": "text", "text": 3}]', "x" * 5_000_000])
    async def test_an_odd_message_is_passed_over(self, agent: Goose, look: Look, odd: str) -> None:
        keep(agent, look.launch, said=("user", odd, int(look.now.timestamp())))
        turns = await agent.turns(look.launch, 1)
        assert [turn.text for turn in turns] == ["Noted, thank you."]

    async def test_a_database_that_is_none_tells_nothing(
        self, agent: Goose, started: Launch
    ) -> None:
        file = database(started)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"no database" * 100)
        assert await agent.info(started) is None
        assert await agent.turns(started) == ()


def test_every_tool_of_a_worker_is_among_those_that_need_no_permission() -> None:
    toolbox = Toolbox(Service(None, OPERATIONS, "", "0", None))  # type: ignore[arg-type]  # no calls
    assert {one.name for one in toolbox.tools(Role.WORKER)} == {*TOOLS}
