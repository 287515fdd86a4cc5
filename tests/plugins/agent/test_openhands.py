"""OpenHands: its commands, its folder, its screens and its log."""

import json
import os
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from ao_core.engine.quota import exhausted
from ao_core.errors import BadRequest
from ao_core.model.activity import ActivityState, Source
from ao_core.model.session import PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Agent, Launch, Look
from ao_core.testing.agent import AgentContract
from ao_plugins.agent.openhands import OpenHands, OpenHandsConfig
from plugins.agent.recorded import SAMPLES, screen

S = ActivityState
ID = "b795308f-2b9d-47a8-a26b-c1e221ae10ce"
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
COMMIT = 'echo hello > hello.txt && git add hello.txt && git commit -q -m "say hello"'
ASKING = ("permission", "permission-third", "narrow-permission", "plan-permission")
WORKING = ("working", "paused", "narrow-working", "narrow-paused", "plan-working")
TYPED = ("draft", "draft1", "narrow-draft", "plan-draft", "long-draft", "mention")
RESTING = ("idle", "denied", "narrow-idle", "multi-empty", "resumed", "quota")
OVERLAID = ("exit", "first-run")
SCREENS = {
    **dict.fromkeys((*ASKING, *OVERLAID), S.WAITING_INPUT), **dict.fromkeys(WORKING, S.ACTIVE),
    **dict.fromkeys((*TYPED, *RESTING, "palette"), S.IDLE), "slash": None,
}  # fmt: skip


def shown(name: str) -> str:
    return screen("openhands", name)


def conversation(launch: Launch) -> Path:
    folder = launch.folder / "openhands" / "conversations" / ID.replace("-", "")
    (folder / "events").mkdir(parents=True, exist_ok=True)
    return folder


def set_up(launch: Launch) -> None:
    settings = Path(launch.environment["HOME"], ".openhands", "agent_settings.json")
    settings.parent.mkdir(exist_ok=True)
    settings.write_text("{}")


def state_of(launch: Launch, status: str, at: datetime = AT) -> None:
    told = json.loads((SAMPLES / "openhands" / "base_state.json").read_text())
    state = conversation(launch) / "base_state.json"
    state.write_text(json.dumps({**told, "execution_status": status}))
    os.utime(state, (at.timestamp(), at.timestamp()))


def recorded(launch: Launch, events: int = 100, status: str = "finished") -> None:
    lines = (SAMPLES / "openhands" / "events.jsonl").read_text().splitlines()
    for number, line in enumerate(lines[:events]):
        (conversation(launch) / "events" / f"event-{number:05d}-x.json").write_text(line)
    state_of(launch, status)


class TestOpenHands(AgentContract):
    def make(self, scope: Scope) -> OpenHands:
        return OpenHands(OpenHandsConfig(), scope)

    def made_ready(self, agent: Agent[Any], launch: Launch) -> Launch:
        launch = replace(launch, face=("ao-mcp", "--worker"))
        cast("OpenHands", agent)._prepare(launch)  # pyright: ignore[reportPrivateUsage]
        return launch

    def write_native(self, launch: Launch, state: ActivityState, at: datetime) -> None:
        state_of(launch, "running" if state is S.ACTIVE else "finished", at)

    # -- how it is started -------------------------------------------------------------------------

    def test_its_command_lines(self, agent: OpenHands, started: Launch) -> None:
        assert agent.launch(started).argv == (
            *("openhands", "--file", f"{started.folder}/openhands-task.md"),
        )
        spoken = agent.converse(replace(started, model="o/m"))
        assert spoken is not None
        assert spoken.argv == ("openhands", "acp", "--override-with-envs")
        assert spoken.env["LLM_MODEL"] == "o/m"

    def test_a_key_it_was_granted_is_taken(self, agent: OpenHands, started: Launch) -> None:
        granted = {**started.environment, "LLM_API_KEY": "k"}
        argv = agent.launch(replace(started, environment=granted)).argv
        assert "--override-with-envs" in argv

    def test_it_asks_for_everything_unless_it_may_do_anything(
        self, agent: OpenHands, started: Launch
    ) -> None:
        for mode in PermissionMode:
            free = mode is PermissionMode.PERMISSIONLESS
            argv = agent.launch(replace(started, permissions=mode)).argv
            assert ("--always-approve" in argv) is free
            assert agent.mode(mode) == ("always-approve" if free else "always-ask")

    async def test_it_is_resumed_by_its_id(self, agent: OpenHands, started: Launch) -> None:
        assert await agent.resume(started) is None
        recorded(started)
        command = await agent.resume(started)
        assert command is not None
        assert command.argv[1:] == ("--resume", ID)

    def test_its_first_prompt_has_the_instructions(self, agent: OpenHands, started: Launch) -> None:
        said = (started.folder / "openhands-task.md").read_text()
        assert said == "Be kind.\n\n\n# Your task\n\nFix it.\n"

    # -- its folder --------------------------------------------------------------------------------

    async def test_it_has_what_the_user_has_and_its_conversation_to_itself(
        self, agent: OpenHands, started: Launch, tmp_path: Path
    ) -> None:
        theirs = tmp_path / ".openhands"
        (theirs / "conversations" / "old").mkdir(parents=True)
        (theirs / "agent_settings.json").write_text("{}")
        (theirs / "mcp.json").write_text('{"mcpServers": {"own": {"command": "x"}}, "kept": 1}')
        before = sorted(theirs.rglob("*"))
        await agent.prepare(
            replace(started, environment={**started.environment, "AO_TOKEN": "t", "OTHER": "o"})
        )
        folder = Path(agent.environment(started)["OPENHANDS_PERSISTENCE_DIR"])
        assert (folder / "agent_settings.json").resolve() == theirs / "agent_settings.json"
        assert list((folder / "conversations").iterdir()) == []
        told = json.loads((folder / "mcp.json").read_text())
        ours = {"command": "ao-mcp", "args": ["--worker"], "env": {"AO_TOKEN": "t"}}
        assert told == {"mcpServers": {"own": {"command": "x"}, "ao": ours}, "kept": 1}
        assert (folder / "mcp.json").stat().st_mode & 0o077 == 0
        assert sorted(theirs.rglob("*")) == before

    async def test_without_a_model_it_is_not_started(
        self, agent: OpenHands, started: Launch
    ) -> None:
        with pytest.raises(BadRequest, match="told of a model"):
            await agent.prepare(started)
        granted = {**started.environment, "LLM_API_KEY": "k"}
        with pytest.raises(BadRequest):
            await agent.prepare(replace(started, environment=granted))
        await agent.prepare(replace(started, environment=granted, model="o/m"))

    async def test_its_shell_does_not_outlive_it_in_a_tmux_of_its_own(
        self, agent: OpenHands, started: Launch, tmp_path: Path
    ) -> None:
        real = tmp_path / "usr"
        real.mkdir()
        (real / "tmux").write_text("#!/bin/sh\necho tmux 3\n")
        (real / "tmux").chmod(0o755)
        given = {**started.environment, "PATH": f"{real}:/usr/bin:/bin"}
        launch = replace(started, environment=given)
        set_up(launch)
        await agent.prepare(launch)
        path = agent.environment(launch)["PATH"]
        asks = tmp_path / "openhands.sh"  # a program of that name, and another
        asks.write_text("#!/bin/sh\ntmux -V; echo $?\n")
        other = tmp_path / "other"
        other.write_text(asks.read_text())
        for program, said in ((asks, "1\n"), (other, "tmux 3\n0\n")):
            found = await agent.scope.run(["sh", str(program)], env={"PATH": path})
            assert found.text == said

    # -- what its screen shows ---------------------------------------------------------------------

    @pytest.mark.parametrize("name", SCREENS)
    def test_its_screens(self, agent: OpenHands, name: str) -> None:
        assert agent.classify(shown(name)) is SCREENS[name]

    @pytest.mark.parametrize("name", SCREENS)
    def test_only_its_empty_composer_is_typed_to(self, agent: OpenHands, name: str) -> None:
        composer = agent.composer()
        held = any(text in shown(name) for text in composer.dialogs)
        assert held is (name in (*ASKING, *OVERLAID, "palette"))
        there = re.search(composer.ready, shown(name)) is not None
        assert there is (name not in (*ASKING, *OVERLAID, "slash"))
        drafted = re.search(composer.draft, shown(name)) is not None
        assert drafted is (name in (*TYPED, "slash"))

    @pytest.mark.parametrize("name", SCREENS)
    def test_a_turn_is_interrupted_only_where_one_is(self, agent: OpenHands, name: str) -> None:
        shows = any(text in shown(name) for text in agent.composer().working)
        assert shows is (name in WORKING)

    @pytest.mark.parametrize("under", ["idle", "working", "draft", "plan-working", "narrow-idle"])
    def test_what_it_quotes_changes_nothing(self, agent: OpenHands, under: str) -> None:
        for name in SCREENS:
            assert agent.classify(f"{shown(name)}\n{shown(under)}") is SCREENS[under]

    @pytest.mark.parametrize("name", ["permission", "working"])
    def test_what_it_quotes_last_is_no_dialog_and_no_turn(
        self, agent: OpenHands, name: str
    ) -> None:
        above, top, composer = shown("idle").rpartition("\n ╭")
        quoted = shown(name).rpartition("\n ╭")[0]
        assert agent.classify(f"{above}\n{quoted}\n\n{top}{composer}") is S.IDLE

    def test_beside_its_plan_what_it_quotes_is_no_turn_either(self, agent: OpenHands) -> None:
        lines = shown("plan-draft").splitlines()
        top = next(at for at, line in enumerate(lines) if line.startswith(" ╭"))
        assert [line.strip() for line in lines[top - 2 : top]] == ["▏", "▏"]
        lines[top - 2] = lines[top - 2].replace(
            " " * 40, f"  {'⠹ Working (1s • ESC: pause)':38}", 1
        )
        assert agent.classify("\n".join(lines)) is S.IDLE

    async def test_a_question_is_answered_only_while_it_has_the_keyboard(
        self, agent: OpenHands, look: Look
    ) -> None:
        recorded(look.launch, events=2, status="waiting_for_confirmation")
        asking = {name for name in SCREENS if await agent.asks(replace(look, screen=shown(name)))}
        assert asking == set(ASKING)

    def test_whatever_was_chosen_before_its_first_choice_is_pressed(self, agent: OpenHands) -> None:
        composer = agent.composer()
        assert "  > Always" in shown("permission-third")  # the third of four
        assert composer.allow == ("Up", "Up", "Up", "Enter")
        assert composer.deny == ("Up", "Up", "Up", "Down", "Enter")

    def test_a_line_without_end_and_wide_letters_change_nothing(self, agent: OpenHands) -> None:
        assert agent.classify("x" * 200_000 + "\n" + shown("working")) is S.ACTIVE
        wide = shown("permission").replace("echo hello", "echo 写一个👩‍💻こんにちは")
        assert agent.classify(wide) is S.WAITING_INPUT

    async def test_before_it_was_told_anything_its_composer_is_no_end_of_a_turn(
        self, agent: OpenHands, look: Look
    ) -> None:
        look = replace(look, screen=shown("idle"))
        assert await agent.activity(look) is None
        recorded(look.launch)
        found = await agent.activity(look)
        assert found is not None
        assert found.state is S.IDLE

    async def test_a_turn_that_only_begins_is_not_over(self, agent: OpenHands, look: Look) -> None:
        for events in (0, 1):  # told nothing, and told its task
            recorded(look.launch, events=events, status="idle")
            assert await agent.native(look) is None
        assert await agent.resume(look.launch) is not None

    async def test_what_was_never_told_anything_is_started_anew(
        self, agent: OpenHands, started: Launch
    ) -> None:
        recorded(started, events=0, status="idle")
        assert await agent.resume(started) is None

    # -- its log -----------------------------------------------------------------------------------

    async def test_its_state_says_what_it_waits_for(self, agent: OpenHands, look: Look) -> None:
        recorded(look.launch, events=2, status="waiting_for_confirmation")
        found = await agent.activity(look)
        asked = await agent.asks(look)
        assert found is not None
        assert asked is not None
        assert (found.state, found.source) == (S.WAITING_INPUT, Source.NATIVE)
        assert (asked.tool, json.loads(asked.arguments)) == ("terminal", {"command": COMMIT})
        recorded(look.launch)
        assert await agent.asks(look) is None

    async def test_an_error_blocks_it_and_is_told(self, agent: OpenHands, look: Look) -> None:
        recorded(look.launch, status="error")
        told = {"kind": "ConversationErrorEvent", "code": "E", "detail": "no such key"}
        events = conversation(look.launch) / "events"
        (events / "event-00099-x.json").write_text(json.dumps(told))
        found = await agent.activity(look)
        assert found is not None
        assert (found.state, found.detail) == (S.BLOCKED, "no such key")

    @pytest.mark.parametrize(
        ("number", "said"),
        [(0, "that is not the key"), (1, "Quota exceeded: "), (2, "maximum context length")],
    )
    async def test_why_it_stopped_is_told(
        self, agent: OpenHands, look: Look, number: int, said: str
    ) -> None:
        recorded(look.launch, status="error")
        told = (SAMPLES / "openhands" / "errors.jsonl").read_text().splitlines()[number]
        (conversation(look.launch) / "events" / "event-00099-x.json").write_text(told)
        found = await agent.activity(replace(look, screen=shown("quota")))
        assert found is not None
        assert found.state is S.BLOCKED
        assert said in (found.detail or "")
        spent = exhausted(found.detail, look.now) is not None
        assert spent is (number == 1)

    async def test_an_event_that_was_read_too_soon_is_read_again(
        self, agent: OpenHands, started: Launch
    ) -> None:
        recorded(started)
        late = conversation(started) / "events" / "event-00090-x.json"
        late.write_text('{"kind": "Mess')
        assert len(await agent.turns(started)) == 3
        said = {"role": "user", "content": [{"text": "And more."}]}
        late.write_text(json.dumps({"kind": "MessageEvent", "llm_message": said}))
        assert (await agent.turns(started))[-1].text == "And more."

    # -- what was under way when it ended ----------------------------------------------------------

    @pytest.mark.parametrize("status", ["waiting_for_confirmation", "running"])
    async def test_what_nobody_allowed_is_refused_before_it_is_continued(
        self, agent: OpenHands, look: Look, status: str
    ) -> None:
        set_up(look.launch)
        recorded(look.launch, events=2, status=status)
        await agent.prepare(look.launch)
        events = sorted((conversation(look.launch) / "events").iterdir())
        assert [one.name[:12] for one in events] == [f"event-{n:05d}-" for n in range(3)]
        act, told = (json.loads(one.read_text()) for one in events[1:])
        known = json.loads((SAMPLES / "openhands" / "reject.json").read_text())
        assert told.keys() == known.keys()
        fixed = ("kind", "source", "rejection_source", "tool_name")
        assert [told[name] for name in fixed] == [known[name] for name in fixed]
        assert (told["action_id"], told["tool_call_id"]) == (act["id"], act["tool_call_id"])
        assert events[2].name == f"event-00002-{told['id']}.json"
        state = json.loads((conversation(look.launch) / "base_state.json").read_text())
        assert state["execution_status"] == "idle"
        assert await agent.asks(look) is None
        await agent.prepare(look.launch)  # once is enough
        assert sorted((conversation(look.launch) / "events").iterdir()) == events

    async def test_what_was_over_stays_as_it_is(self, agent: OpenHands, started: Launch) -> None:
        set_up(started)
        recorded(started)
        wrong = {"kind": "AgentErrorEvent", "tool_call_id": "call_9", "error": "no such tool"}
        for number, event in enumerate(
            [
                {"kind": "ActionEvent", "id": "a", "tool_call_id": "call_9", "action": {"x": 1}},
                wrong,
            ]
        ):
            path = conversation(started) / "events" / f"event-{90 + number:05d}-x.json"
            path.write_text(json.dumps(event))
        before = {path: path.read_text() for path in conversation(started).rglob("*.json")}
        await agent.prepare(started)
        assert {path: path.read_text() for path in conversation(started).rglob("*.json")} == before

    async def test_its_turns_and_what_it_used(self, agent: OpenHands, started: Launch) -> None:
        recorded(started)
        turns = await agent.turns(started)
        assert [turn.role for turn in turns] == ["user", "assistant", "assistant"]
        assert "Remember the word heliotrope." in turns[0].text
        assert COMMIT.partition(" >")[0] in turns[1].tools[0]
        assert turns[2].text == "It is written."
        assert all(turn.at for turn in turns)
        info = await agent.info(started)
        assert info is not None
        used = info.usage
        assert info.native_id == ID
        assert (used.input_tokens, used.output_tokens, used.cost_usd) == (20, 10, None)

    async def test_what_it_was_told_is_known_by_its_token(
        self, agent: OpenHands, started: Launch
    ) -> None:
        recorded(started)
        told = {"kind": "MessageEvent", "llm_message": {
            "role": "user", "content": [{"text": "[abc] Go on. [/abc]"}],
        }}  # fmt: skip
        events = conversation(started) / "events"
        (events / "event-00098-x.json").write_text(json.dumps(told))
        assert await agent.taken(started) == {"abc"}

    async def test_what_is_half_written_is_passed_over(
        self, agent: OpenHands, started: Launch
    ) -> None:
        recorded(started)
        (conversation(started) / "events" / "event-00097-x.json").write_text('{"kind": "Mess')
        assert len(await agent.turns(started)) == 3
        (conversation(started) / "base_state.json").write_text('{"id"')
        assert await agent.info(started) is None
