"""The tools a worker has, by the MCP client an agent would use, as the engine hands them over."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from ao_core import wire
from ao_core.errors import EngineUnreachable
from ao_mcp.start import join_engine
from faces.fake_operations import TOKEN
from faces.home import RELAY, Home, RelayClient, temporary_home
from team import PROTOCOL, Team


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    repository = Team.new_repository(tmp_path / "sample", PROTOCOL.project())
    one = Team(tmp_path / "home", repository, tmp_path / "run", PROTOCOL)
    yield one
    one.end()


def handed_over(team: Team, session: str) -> StdioServerParameters:
    """Our own server, as the agent was told of it when its conversation was opened."""
    folder = team.home / "plugins" / "runtime-process" / session
    log = b"".join(file.read_bytes() for file in sorted(folder.glob("0*")))
    opened = next(line for line in log.split(b"\n") if b'"session/new"' in line)
    server = json.loads(opened[opened.index(b"{") :])["params"]["mcpServers"][0]
    env = {one["name"]: one["value"] for one in server["env"]}
    return StdioServerParameters(command=server["command"], args=server["args"], env=env, cwd="/")


def with_token(server: StdioServerParameters, token: str) -> StdioServerParameters:
    return server.model_copy(update={"env": {**(server.env or {}), "AO_TOKEN": token}})


def worker(server: StdioServerParameters) -> Client:
    return Client(stdio_client(server), mode="legacy")


async def told(client: Client, tool: str, **arguments: object) -> dict[str, Any]:
    result = await client.call_tool(tool, arguments)
    assert result.structured_content is not None
    return result.structured_content


async def refusal(server: StdioServerParameters) -> str:
    """What a client is told that is not let in."""
    with pytest.RaisesGroup(MCPError, flatten_subgroups=True) as caught:
        async with worker(server):
            pass
    return str(caught.value.exceptions[0].args)


async def shown(team: Team, session: str) -> dict[str, Any]:
    return await anyio.to_thread.run_sync(lambda: team.call("show", session=session))


def resting(team: Team, *script: str) -> str:
    session = team.spawn(*script or ("do: say ready",))
    team.until(session, "idle")
    return session


async def test_a_worker_has_tools_and_instructions_of_its_own(team: Team) -> None:
    async with worker(handed_over(team, resting(team))) as client:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == ["report", "ask", "inbox", "message", "approve"]
        assert client.instructions
        assert "`ask`" in client.instructions
        assert "spawn" not in client.instructions


async def test_a_worker_sees_nothing_of_others_and_cannot_answer_for_itself(team: Team) -> None:
    session = resting(team)
    async with worker(handed_over(team, session)) as client:
        for tool in ("list", "show", "answer", "transcript", "permission", "spawn"):
            with pytest.raises(MCPError, match="There is no tool"):
                await client.call_tool(tool, {"session": session})


async def test_a_report_is_the_sessions_and_is_told_to_whoever_waits(team: Team) -> None:
    session = resting(team)
    async with worker(handed_over(team, session)) as client:
        done = await told(client, "report", note="All \x1b[31mgreen\x1b[0m.", state="done")
        assert done["report"] == "done: All green."
        assert (await shown(team, session))["report"] == "done: All green."
        plain = await told(client, "report", note="Half way.")
        assert plain["report"] == "Half way."
        blocked = await told(client, "report", note="No network.", state="blocked")
        assert "`ask`" in blocked["said"]
    reported = [line for line in team.journal() if "session.reported" in line]
    assert [line.split("text=")[1] for line in reported] == [
        "done: All green.", "Half way.", "blocked: No network.",
    ]  # fmt: skip


async def test_a_question_is_answered_by_the_next_message(team: Team) -> None:
    session = resting(team)
    async with worker(handed_over(team, session)) as client:
        asked = await told(client, "ask", question="Red or blue?")
        assert "End your turn" in asked["said"]
        await told(client, "ask", question="Red or green?")
        waits = await shown(team, session)
        assert (waits["status"], waits["question"]) == ("needs_input", "Red or green?")
        assert waits["attention"] == "lead"
    team.call("answer", session=session, text="do: say green it is")
    team.until_so(session, lambda now: now["status"] == "idle" and now["question"] is None)
    said = team.call("transcript", session=session)["items"]
    heard = [one["text"] for one in said if one["part"] == "user"]
    assert heard[-1].endswith("\ndo: say green it is")
    assert said[-1]["text"] == "green it is"


async def test_a_question_outlasts_the_turn_it_was_asked_in(team: Team) -> None:
    session = team.spawn("do: say one", "do: sleep 60")
    team.until_so(session, lambda now: now["messages"][0]["state"] == "accepted")
    async with worker(handed_over(team, session)) as client:
        await told(client, "ask", question="Which way?")
    team.call("interrupt", session=session)
    team.until_so(session, lambda _: not team.call("transcript", session=session)["turn"])
    ended = team.call("show", session=session)
    assert (ended["status"], ended["question"]) == ("needs_input", "Which way?")
    assert team.call("answer", session=session, text="do: say left")["state"] == "accepted"
    team.until(session, "idle")


async def test_what_cannot_be_told_is_refused(team: Team) -> None:
    session = resting(team)
    calls: list[tuple[str, dict[str, str]]] = [
        ("report", {"note": ""}),
        ("report", {"note": "x" * 4001}),
        ("report", {"note": "x", "state": "merged"}),
        ("report", {"note": "\x1b[2J \u202e"}),
        ("report", {"note": "x", "session": "sam-2"}),
        ("ask", {"question": " "}),
        ("ask", {"question": "x" * 4001}),
        ("ask", {}),
    ]
    async with worker(handed_over(team, session)) as client:
        for tool, arguments in calls:
            refused = await client.call_tool(tool, arguments)
            assert refused.is_error, arguments
            assert refused.structured_content["code"] == "invalid_argument"
    known = await shown(team, session)
    assert (known["report"], known["question"]) == ("ready", None)


async def test_a_token_that_is_not_a_live_workers_is_refused(team: Team) -> None:
    session = resting(team)
    server = handed_over(team, session)
    for wrong in ("", "0" * 64):
        assert "not one of a live session" in await refusal(with_token(server, wrong))
    async with worker(server) as client:
        team.call("kill", session=session)
        late = await client.call_tool("report", {"note": "Done."})
        assert late.is_error
        assert late.structured_content["code"] == "wrong_state"
    assert "not one of a live session" in await refusal(server)


# -- the relay, against an engine of the tests' own -----------------------------------------------


@pytest.fixture
def home() -> Iterator[Home]:
    with temporary_home() as made:
        yield made


def relay(home: Home) -> Client:
    command, *arguments = [*RELAY, "--worker"]
    env = home.env | {"AO_TOKEN": TOKEN}
    server = StdioServerParameters(command=command, args=arguments, env=env, cwd="/")
    return Client(stdio_client(server), mode="legacy")


async def test_a_worker_is_not_welcomed_as_the_last_lead_was(home: Home) -> None:
    with RelayClient(home) as lead:
        lead.shake_hands()
    home.kill()
    heard: list[str | None] = []

    async def connect() -> None:
        async with relay(home) as client:
            heard.append(client.instructions)
            heard.extend(tool.name for tool in (await client.list_tools()).tools)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(connect)
        with RelayClient(home) as lead:
            await anyio.to_thread.run_sync(lead.shake_hands)
    assert heard == ["Report, ask.", "report"]


async def test_a_worker_keeps_its_tools_when_another_engine_takes_over(home: Home) -> None:
    with RelayClient(home) as lead:
        lead.shake_hands()
        async with relay(home) as client:
            first = await told(client, "report", seconds=0)
            home.kill()
            await anyio.to_thread.run_sync(lambda: lead.call(1, "echo", text="back"))
            assert await told(client, "report", seconds=0) == first
            assert first["said"] == "app-7 []"  # its environment stays with it
    assert len(home.started()) == 2


def test_a_worker_starts_no_engine(home: Home) -> None:
    preamble = wire.Preamble(wire.MCP, role="worker", token=TOKEN)
    with pytest.raises(EngineUnreachable, match="does not run"):
        join_engine(home.path, home.env, preamble, 0.1)
    assert not home.path.exists()


async def test_what_an_agent_puts_to_approve_is_judged_asked_for_and_answered(team: Team) -> None:
    session = resting(team)
    path = Path((await shown(team, session))["path"])
    async with worker(handed_over(team, session)) as client:
        edit = {"file_path": str(path / "a.txt"), "content": "a"}
        allowed = await told(client, "approve", tool_name="Write", input=edit, tool_use_id="t1")
        assert allowed == {"behavior": "allow", "updatedInput": edit}
        done: list[dict[str, Any]] = []

        async def ask(id: str, **given: object) -> None:
            done.append(
                await told(client, "approve", tool_name="Bash", input=given, tool_use_id=id)
            )

        for id, decision in (("t2", "allow"), ("t3", "deny")):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(lambda id=id: ask(id, command="curl example.invalid"))
                pending = await until_asked(team, session)
                assert pending["arguments"] == "curl example.invalid"
                await call(team, "answer", session=session, decision=decision)
    assert done[0] == {"behavior": "allow", "updatedInput": {"command": "curl example.invalid"}}
    assert done[1]["behavior"] == "deny"
    assert "said no" in done[1]["message"]


async def until_asked(team: Team, session: str) -> dict[str, Any]:
    now = await anyio.to_thread.run_sync(
        lambda: team.until_so(session, lambda now: now["permissions_pending"])
    )
    return now["permissions_pending"][0]


async def call(team: Team, method: str, **given: object) -> dict[str, Any]:
    return await anyio.to_thread.run_sync(lambda: team.call(method, **given))


@pytest.mark.parametrize(
    ("tool", "given"),
    [
        ("Bash", {"command": "ls", "run_as": "root"}),
        ("Write", {"file_path": "/etc/passwd", "content": "x"}),
        ("mcp__ao__spawn", {"prompt": "do: say ready"}),
    ],
)
async def test_what_says_more_or_leads_outside_is_never_allowed_unasked(
    team: Team, tool: str, given: dict[str, str]
) -> None:
    session = resting(team)
    async with worker(handed_over(team, session)) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: told(client, "approve", tool_name=tool, input=given))
        assert await until_asked(team, session)
        tasks.cancel_scope.cancel()
