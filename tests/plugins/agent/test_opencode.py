"""Agent `opencode`: the contract, its settings, log and screens, and what its plugin leaves."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from ao_core.model.activity import ActivityState, Source
from ao_core.model.budget import Part
from ao_core.model.session import Drive, PermissionMode
from ao_core.model.usage import Usage
from ao_core.plugin import Scope
from ao_core.slots.agent import AgentInfo, Conversable, Launch, Look
from ao_core.spool import HookKind, Raw
from ao_core.store.records import Delivery
from ao_core.testing.agent import AgentContract
from ao_plugins import _permit_dialects
from ao_plugins._found import remember
from ao_plugins.agent.opencode import OpenCode, OpenCodeConfig
from recorded import SAMPLES, quoting, screen, widened

NATIVE = "ses_dffe25157ffeGvn7GFEOSOS4bP"
FACE = ("ao", "face")
TABLES = """\
create table if not exists session (id, parent_id, directory, title, cost, tokens_input,
  tokens_output, tokens_reasoning, tokens_cache_read, tokens_cache_write, time_created);
create table if not exists message (id, session_id, time_created, data);
create table if not exists part (id, message_id, time_updated, data);"""
SAID: Mapping[ActivityState, Mapping[str, Any]] = {
    ActivityState.ACTIVE: {"role": "user"},
    ActivityState.READY: {"role": "assistant", "finish": "stop"},
    ActivityState.BLOCKED: {"role": "assistant", "error": {"name": "APIError", "data": {}}},
}


def placed(launch: Launch, since: int = 0) -> Path:
    database = launch.folder / "opencode.db"
    remember(launch.folder, {"database": str(database), "since": str(since)})
    return database


def wrote(database: Path, *lines: tuple[str, tuple[object, ...]]) -> None:
    with sqlite3.connect(database) as log:
        log.executescript(TABLES)
        for line, values in lines:
            log.execute(line, values)


def a_session(launch: Launch, id: str = "s", began: int = 0, parent: str | None = None) -> Any:
    values = (id, parent, str(launch.workspace), "So", 0.0, 10, 5, 1, 100, 1000, began)
    return ("insert into session values (?,?,?,?,?,?,?,?,?,?,?)", values)


def a_message(session: str, at: int, **data: object) -> Any:
    told = json.dumps({"time": {"created": at}, **data})
    return ("insert into message values (?,?,?,?)", (f"m{session}{at}", session, at, told))


def milliseconds(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def told(hook: str, **payload: object) -> Raw:
    return Raw("1-a", hook, datetime(2026, 11, 21, tzinfo=UTC), payload)


def settings_of(agent: OpenCode, launch: Launch) -> dict[str, Any]:
    return json.loads(agent.environment(launch)["OPENCODE_CONFIG_CONTENT"])


class TestOpenCode(AgentContract):
    def make(self, scope: Scope) -> OpenCode:
        return OpenCode(OpenCodeConfig(), scope)

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        when = milliseconds(at)
        message = a_message("s", when, **{**SAID[state], "time": {"completed": when}})
        wrote(placed(launch), a_session(launch), message)

    @pytest.fixture
    def recorded(self, started: Launch) -> Launch:
        database = placed(started)
        with sqlite3.connect(database) as log:
            log.executescript((SAMPLES / "opencode" / "log.sql").read_text())
        return replace(started, native_id=NATIVE)

    # -- what it is started with -----------------------------------------------------------------

    async def test_its_command_has_the_task_as_one_word(
        self, agent: OpenCode, started: Launch
    ) -> None:
        assert agent.launch(started).argv == ("opencode", "--prompt=Fix it.\n")
        spoken = agent.converse(started)
        assert spoken is not None
        assert spoken.argv == ("opencode", "acp")
        assert isinstance(agent, Conversable)
        assert agent.preferred is Drive.PROTOCOL
        assert not agent.counts

    async def test_by_default_it_asks_before_all_but_reading(
        self, agent: OpenCode, started: Launch
    ) -> None:
        settings = settings_of(agent, replace(started, face=FACE))
        rules = settings["permission"]
        assert next(iter(rules)) == "*"  # the last that fits holds
        assert rules["*"] == "ask"
        allowed = {name for name, rule in rules.items() if rule == "allow"}
        assert allowed == {"glob", "grep", "list", "lsp", "todowrite", "skill", "ao_*"}
        assert rules["read"] == {
            "*": "allow", "*.env": "ask", "*.env.*": "ask", "*.env.example": "allow",
        }  # fmt: skip
        assert rules["question"] == "deny"
        assert settings["default_agent"] == "build"
        assert settings["agent"] == {"build": {"permission": rules}}

    @pytest.mark.parametrize(
        ("mode", "edit", "rest"),
        [
            (PermissionMode.DEFAULT, None, "ask"),
            (PermissionMode.SUGGEST, None, "ask"),
            (PermissionMode.AUTO_EDIT, "allow", "ask"),
            (PermissionMode.PERMISSIONLESS, None, "allow"),
        ],
    )
    async def test_each_mode_has_rules_of_its_own(
        self, agent: OpenCode, started: Launch, mode: PermissionMode, edit: str | None, rest: str
    ) -> None:
        rules = settings_of(agent, replace(started, permissions=mode))["permission"]
        assert (rules.get("edit"), rules["*"]) == (edit, rest)

    async def test_its_settings_stand_above_those_it_was_given(
        self, agent: OpenCode, started: Launch
    ) -> None:
        given = {"permission": "allow", "plugin": ["theirs"], "theme": "dark"}
        env = {**started.environment, "OPENCODE_CONFIG_CONTENT": json.dumps(given)}
        settings = settings_of(agent, replace(started, environment=env, model="a/b"))
        assert settings["theme"] == "dark"
        assert settings["model"] == "a/b"
        assert settings["permission"]["*"] == "ask"
        assert settings["plugin"] == ["theirs", str(started.folder / "opencode.mjs")]
        assert settings["instructions"] == [str(started.system_prompt)]
        for odd in ("no JSON", "[]", "[" * 10_000):
            env["OPENCODE_CONFIG_CONTENT"] = odd
            assert settings_of(agent, replace(started, environment=env))["permission"]["*"] == "ask"

    async def test_its_own_files_are_put_where_nobody_tracks_them(
        self, agent: OpenCode, started: Launch
    ) -> None:
        await agent.prepare(replace(started, face=FACE))
        program = (started.folder / "opencode.mjs").read_text()
        ours = json.loads(program.partition("\n")[0].removeprefix("const OURS = "))
        assert ours["face"] == list(FACE)
        assert ours["asks"][-2:] == ["ao_plugins._permit", "opencode"]
        keys = json.loads((started.folder / "opencode-tui.json").read_text())
        assert keys == {"keybinds": {"session_interrupt": "escape,f12"}}
        assert list(started.workspace.iterdir()) == []
        assert agent.environment(started)["OPENCODE_TUI_CONFIG"] == str(
            started.folder / "opencode-tui.json"
        )

    async def test_keys_of_the_users_own_are_left_as_they_are(
        self, agent: OpenCode, started: Launch
    ) -> None:
        env = {**started.environment, "OPENCODE_TUI_CONFIG": "/theirs.json"}
        launch = replace(started, environment=env)
        assert agent.environment(launch)["OPENCODE_TUI_CONFIG"] == "/theirs.json"

    @pytest.mark.parametrize(
        ("more", "place"),
        [
            ({}, ".local/share/opencode/opencode.db"),
            ({"OPENCODE_DB": "/else/where.db"}, "/else/where.db"),
            ({"OPENCODE_DB": "other.db"}, ".local/share/opencode/other.db"),
            ({"XDG_DATA_HOME": "/data"}, "/data/opencode/opencode.db"),
        ],
    )
    async def test_where_its_log_is_follows_from_its_environment(
        self, agent: OpenCode, started: Launch, more: dict[str, str], place: str
    ) -> None:
        await agent.prepare(replace(started, environment={**started.environment, **more}))
        known = json.loads((started.folder / "places.json").read_text())
        assert Path(known["database"]) == Path(started.environment["HOME"]) / place

    # -- its log -----------------------------------------------------------------------------------

    async def test_a_recorded_conversation_is_read(self, agent: OpenCode, recorded: Launch) -> None:
        turns = await agent.turns(recorded)
        assert [turn.role for turn in turns][:3] == ["user", "assistant", "assistant"]
        assert turns[0].text.startswith("Remember the word heliotrope.")
        assert turns[1].tools[0].startswith("bash echo hello > hello.txt")
        assert turns[2].text == "It is written."
        assert turns[2].at == datetime(2026, 11, 21, 21, 58, 11, 727_000, tzinfo=UTC)
        assert [turn.text for turn in await agent.turns(recorded, 1)] == [turns[-1].text]
        assert list(await agent.turns(recorded, 0)) == []

    async def test_what_a_recorded_session_used_is_what_its_model_told(
        self, agent: OpenCode, recorded: Launch
    ) -> None:
        assert await agent.info(recorded) == AgentInfo(NATIVE, "Noted.", Usage(60, 30, None))
        assert agent.tells(Drive.TERMINAL) == {Part.TOKENS, Part.COST}

    async def test_a_recorded_session_rests_since_its_last_word(
        self, agent: OpenCode, recorded: Launch, look: Look
    ) -> None:
        found = await agent.native(replace(look, launch=recorded))
        assert found is not None
        assert (found.state, found.source) == (ActivityState.READY, Source.NATIVE)
        assert found.at == datetime(2026, 11, 21, 21, 58, 51, 85_000, tzinfo=UTC)

    async def test_a_recorded_session_is_continued_by_its_own_id(
        self, agent: OpenCode, recorded: Launch
    ) -> None:
        again = await agent.resume(recorded)
        assert again is not None
        assert again.argv == ("opencode", f"--session={NATIVE}")

    async def test_its_subagents_count_and_cached_tokens_do(
        self, agent: OpenCode, started: Launch
    ) -> None:
        sessions = (a_session(started), a_session(started, "c", 5, "s"))
        wrote(placed(started), *sessions, a_message("s", 1, role="user"))
        info = await agent.info(started)
        assert info is not None
        assert (info.native_id, info.usage) == ("s", Usage(2220, 12, None))

    async def test_looking_for_its_log_makes_none(self, agent: OpenCode, started: Launch) -> None:
        database = placed(started)
        assert await agent.info(started) is None
        assert not database.exists()

    async def test_another_session_of_a_workspace_used_before_is_not_its_own(
        self, agent: OpenCode, started: Launch
    ) -> None:
        wrote(placed(started, since=1000), a_session(started, "old", 999))
        assert await agent.info(started) is None
        wrote(placed(started, since=1000), a_session(started, "new", 1000))
        info = await agent.info(replace(started, native_id="gone"))
        assert info is not None
        assert info.native_id == "new"

    @pytest.mark.parametrize(
        ("data", "state"),
        [
            ({"role": "user"}, ActivityState.ACTIVE),
            ({"role": "assistant"}, ActivityState.ACTIVE),
            ({"role": "assistant", "finish": "tool-calls", "time": {"completed": 5}},
             ActivityState.ACTIVE),
            ({"role": "assistant", "finish": "stop", "time": {"completed": 5}},
             ActivityState.READY),
            ({"role": "assistant", "error": {"name": "MessageAbortedError"}}, ActivityState.READY),
            ({"role": "assistant", "error": {"name": "APIError", "data": {"message": "no"}}},
             ActivityState.BLOCKED),
        ],
    )  # fmt: skip
    async def test_the_last_message_tells_what_it_does(
        self, agent: OpenCode, look: Look, data: dict[str, Any], state: ActivityState
    ) -> None:
        launch = look.launch
        wrote(placed(launch), a_session(launch), a_message("s", 1, **data))
        found = await agent.native(look)
        assert found is not None
        assert found.state is state
        assert (found.detail == "no") is (state is ActivityState.BLOCKED)

    async def test_it_is_seen_to_move_by_the_parts_of_its_message(
        self, agent: OpenCode, look: Look
    ) -> None:
        launch, part = look.launch, ("insert into part values (?,?,?,?)", ("p", "ms1", 7_000, "x"))
        wrote(placed(launch), a_session(launch), a_message("s", 1, role="assistant"), part)
        found = await agent.native(look)
        assert found is not None
        assert found.at == datetime(1970, 1, 1, 0, 0, 7, tzinfo=UTC)

    async def test_a_log_that_cannot_be_read_is_no_evidence_and_no_end_of_it(
        self, agent: OpenCode, look: Look
    ) -> None:
        database = placed(look.launch)
        self.logged(look, ActivityState.ACTIVE, 5)
        for content in (b"", b"no database", b"SQLite format 3\0" + b"x" * 9000):
            database.write_bytes(content)
            found = await agent.activity(look)
            assert found is not None
            assert found.state is ActivityState.ACTIVE

    async def test_reading_its_log_does_not_keep_it_from_writing(
        self, agent: OpenCode, look: Look
    ) -> None:
        database = placed(look.launch)
        wrote(database, a_session(look.launch), a_message("s", 1, role="user"))
        with sqlite3.connect(database) as log:
            log.execute("pragma journal_mode = wal")
            log.execute("begin immediate")
            log.execute(*a_message("s", 2, role="assistant", finish="stop", time={"completed": 2}))
            found = await agent.native(look)
            assert found is not None
            assert found.state is ActivityState.ACTIVE
            log.commit()
        found = await agent.native(look)
        assert found is not None
        assert found.state is ActivityState.READY

    # -- its screen --------------------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("name", "state"),
        [
            ("working", ActivityState.ACTIVE),
            ("permission", ActivityState.WAITING_INPUT),
            ("narrow-permission", ActivityState.WAITING_INPUT),
            ("always", ActivityState.WAITING_INPUT),
            ("idle", ActivityState.IDLE),
            ("interrupted", ActivityState.IDLE),
            ("error", ActivityState.IDLE),
        ],
    )
    async def test_recorded_screens_are_understood(
        self, agent: OpenCode, name: str, state: ActivityState
    ) -> None:
        shown = screen("opencode", name)
        assert agent.classify(shown) is state
        assert [agent.classify(one) for one in widened(shown)] == [state] * 3

    @pytest.mark.parametrize("below", ["idle", "working", "permission"])
    async def test_what_it_quotes_changes_nothing(self, agent: OpenCode, below: str) -> None:
        shown = screen("opencode", below)
        for quoted in ("permission", "always", "working", "idle", "error"):
            both = quoting(screen("opencode", quoted), shown)
            assert agent.classify(both) is agent.classify(shown)

    @pytest.mark.parametrize("quoted", ["permission", "working", "idle"])
    async def test_what_stands_above_something_else_says_nothing(
        self, agent: OpenCode, quoted: str
    ) -> None:
        below = "\n".join(f"line {number} of another program" for number in range(14))
        assert agent.classify(quoting(screen("opencode", quoted), below)) is None

    async def test_its_composer_knows_a_draft_a_dialog_and_itself(self, agent: OpenCode) -> None:
        import re

        composer = agent.composer()
        assert re.search(composer.draft, screen("opencode", "draft"))
        for name in ("idle", "working", "interrupted", "permission"):
            assert not re.search(composer.draft, screen("opencode", name))
        assert re.search(composer.ready, screen("opencode", "idle"))
        assert not re.search(composer.ready, screen("opencode", "permission"))
        for name in ("permission", "narrow-permission", "always"):
            assert any(text in screen("opencode", name) for text in composer.dialogs)
        assert any(text in screen("opencode", "working") for text in composer.working)
        assert composer.best is Delivery.ACCEPTED

    # -- what its plugin leaves --------------------------------------------------------------------

    @pytest.mark.parametrize(
        ("raw", "kind", "more"),
        [
            (told("session-created", sessionID="s"), HookKind.SESSION_STARTED, {"native_id": "s"}),
            (told("chat-message", sessionID="s", text="go [/ab1]"), HookKind.TURN_STARTED,
             {"native_id": "s", "token": "ab1", "text": "go [/ab1]"}),
            (told("session-idle", sessionID="s", text="done"), HookKind.TURN_ENDED,
             {"text": "done"}),
            (told("session-error", name="X", message="no credit"), HookKind.BLOCKED,
             {"text": "no credit"}),
            (told("session-error", name="ContextOverflowError"), HookKind.BLOCKED,
             {"text": "ContextOverflowError"}),
            (told("session-retry", attempt=3, message="slow down"), HookKind.BLOCKED,
             {"text": "slow down"}),
            (told("session-busy", sessionID="s"), HookKind.TURN_STARTED, {"token": None}),
            (told("permission-replied", requestID="per_1"), HookKind.PERMISSION_ENDED,
             {"id": "per_1"}),
        ],
    )  # fmt: skip
    async def test_what_it_leaves_is_understood(
        self, agent: OpenCode, raw: Raw, kind: HookKind, more: dict[str, object]
    ) -> None:
        event = agent.heard(raw)
        assert event is not None
        assert event.kind is kind
        assert {name: getattr(event, name) for name in more} == more

    @pytest.mark.parametrize(
        "raw", [told("session-retry", attempt=2), told("session-retry"), told("else")]
    )
    async def test_what_is_nobodys_business_is_nothing(self, agent: OpenCode, raw: Raw) -> None:
        assert agent.heard(raw) is None


def test_its_questions_and_our_answers_are_put_in_its_words() -> None:
    dialect = _permit_dialects.DIALECTS["opencode"]
    about = {"command": "git push"}
    asked = dialect.read({"id": "per_1", "permission": "bash", "metadata": about})
    assert (asked.id, asked.tool, asked.arguments) == ("per_1", "bash", about)
    other = dialect.read({"id": "per_2", "permission": "ao_x", "metadata": {}, "patterns": ["*"]})
    assert other.arguments == {"patterns": ["*"]}
    assert dialect.answer(True, "") == {"reply": "once"}
    no = cast("dict[str, str]", dialect.answer(False, "not now"))
    assert no == {"reply": "reject", "message": "not now"}
