"""Whatever an argument holds, the engine refuses it or does no harm, and lives."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ao_core import wire
from ao_core.errors import AoError
from ao_mcp.operations.contract import WORKERS, AnyOperation
from ao_mcp.operations.every import OPERATIONS
from asking import RELAY, by_operations
from team import Team, git

PATIENCE = 20.0
MEGABYTE = 1024 * 1024
LEAVE_OUT = {"stop"}  # it ends the engine
PEOPLES = {
    one.name: one for one in OPERATIONS if one.name not in LEAVE_OUT and one.roles != WORKERS
}
TOOLS = {name: one for name, one in PEOPLES.items() if one.tool}
NASTY = (
    "../../../etc/passwd",
    "../escaped",
    "/etc/passwd",
    "~/escaped",
    "$(touch escaped)",
    "`touch escaped`",
    "; touch escaped #",
    "' \" \\' \\\" '; touch escaped; '",
    "-rf",
    "--upload-pack=touch escaped",
    "sam-1\nsam-2",
    "sam-1\x00",
    "\x1b[2J\x1b]0;title\x07",
    "\u202e\u200b\ufeff",
    "\ud800",
    "a\udfffb",
    "main@{0}",
    "refs/heads/main",
    "%s%n{0}{}{{}}${HOME}",
    "#{pane_pid}",
    "sam-999999999999999999",
    "sam-01",
    "\N{SUPERSCRIPT TWO}",
    "x" * MEGABYTE,
    "../" * 300,
    "",
    " ",
)
SHORT = tuple(text for text in NASTY if len(text) < MEGABYTE)  # all of it fits into one line
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 2**63, 10**300, -(10**300), 1e308, float("nan"), float("inf"),
    [], {}, [[]], [None], {"$ref": "x"}, ["../x"] * 300, {"__class__": "x"},
)  # fmt: skip

values: st.SearchStrategy[Any] = (
    st.sampled_from(NASTY)
    | st.sampled_from(ODD)
    | st.text(max_size=30)
    | st.lists(st.sampled_from(SHORT), max_size=3)
)
quick = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip


@dataclass(slots=True)
class Lead:
    """A lead's client that stays connected."""

    relay: "subprocess.Popen[str]"
    calls: Iterator[int] = field(default_factory=count)

    def ask(self, method: str, params: object) -> dict[str, Any]:
        """One JSON-RPC request, and its answer."""
        id = next(self.calls)
        assert self.relay.stdin
        assert self.relay.stdout
        line = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
        self.relay.stdin.write(json.dumps(line) + "\n")
        self.relay.stdin.flush()
        heard = map(json.loads, self.relay.stdout)
        return next(message for message in heard if message.get("id") == id)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """An engine with one worker."""
    folder = tmp_path_factory.mktemp("team")
    one = Team(folder / "home", Team.new_repository(folder / "sample"), folder / "run")
    one.trusted()
    one.until(one.spawn("do: say ready"), "idle")
    yield one
    one.end()


@pytest.fixture(scope="module")
def connection(team: Team) -> Iterator[wire.Connection]:
    with team.connect() as made:
        yield made


@pytest.fixture(scope="module")
def lead(team: Team) -> Iterator[Lead]:
    with subprocess.Popen(
        RELAY, env=team.env, cwd=team.repository, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        text=True,
    ) as relay:  # fmt: skip
        client = Lead(relay)
        info = {"name": "test", "version": "1"}
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": info}
        assert "result" in client.ask("initialize", hello)
        yield client
        assert relay.stdin
        relay.stdin.close()


@pytest.fixture(scope="module", autouse=True)
def nothing_escapes(team: Team) -> Iterator[None]:
    """After all of it: the same engine, the same worker, the same repository, nothing beside."""
    pid, before = team.engine_pid, surroundings(team)
    yield
    assert team.engine_pid == pid
    assert surroundings(team) == before
    assert not any(path.exists() for path in (Path("escaped"), Path.home() / "escaped"))
    assert "Traceback" not in team.log()


def surroundings(team: Team) -> dict[str, object]:
    own = {team.home, team.repository, team.home.parent / "run"}
    shown = by_operations(team, team.repository, "show", session="sam-1").result
    assert shown
    return {
        "beside": sorted(set(team.home.parent.iterdir()) - own),
        "project": sorted(one.name for one in team.home.iterdir() if one.is_dir()),
        "changes": git(team.repository, "status", "--porcelain"),
        "refs": git(team.repository, "for-each-ref"),
        "sessions": [one["session"] for one in team.call("list")["sessions"]],
        "worker": (shown["status"], shown["branch"], shown["path"]),
    }


def assert_harmless(error: Mapping[str, Any]) -> None:
    """A refusal of ours, short and without anything that a terminal would obey."""
    assert error["code"] != "internal", error
    assert error["message"]
    assert isinstance(error["retryable"], bool)
    text = f"{error['message']}{error.get('hint', '')}"
    assert len(text) < 8_000
    assert not {"\x1b", "\x00", "\x07", "\u202e"} & set(text)


def arguments(draw: st.DrawFn, operation: AnyOperation) -> dict[str, Any]:
    """Some of the operation's arguments, and now and then one it does not have."""
    names = [*operation.request.model_fields, "no_such_argument"]
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=5))
    drawn = {name: draw(values) for name in chosen}
    if operation.name == "spawn":  # refused whatever the rest is: workers cost too much here
        drawn["issue"] = draw(st.sampled_from([text for text in NASTY if text.strip()]))
    if operation.name == "wait":
        drawn.setdefault("seconds", 0)
        drawn["seconds"] = 0 if drawn["seconds"] in (True, 1e308) else drawn["seconds"]
    if "session" in operation.request.model_fields and operation.read_only and draw(st.booleans()):
        drawn["session"] = "sam-1"
    return drawn


@st.composite
def operations_calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(sorted(PEOPLES)))
    return name, arguments(draw, PEOPLES[name])


@st.composite
def tool_calls(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    name = draw(st.sampled_from(sorted(TOOLS)))
    return name, arguments(draw, TOOLS[name])


@quick
@given(call=operations_calls())
def test_no_argument_harms_the_engine(
    connection: wire.Connection, call: tuple[str, dict[str, Any]]
) -> None:
    try:
        connection.call(*call, PATIENCE)
    except AoError as error:
        assert_harmless(error.wire())
    assert connection.call("about", {}, PATIENCE)["live"] == 1


@quick
@given(call=tool_calls())
def test_no_tools_argument_harms_the_engine(lead: Lead, call: tuple[str, dict[str, Any]]) -> None:
    name, given_arguments = call
    answer = lead.ask("tools/call", {"name": name, "arguments": given_arguments})
    if "error" in answer:
        assert answer["error"]["code"] in (-32600, -32602, -32700), answer
    elif answer["result"].get("isError"):
        assert_harmless(answer["result"]["structuredContent"])
    listed = lead.ask("tools/call", {"name": "list", "arguments": {}})
    assert listed["result"]["structuredContent"]["sessions"][0]["session"] == "sam-1"


@pytest.mark.parametrize("name", sorted(PEOPLES))
def test_a_megabyte_in_every_argument_is_refused(connection: wire.Connection, name: str) -> None:
    fields = PEOPLES[name].request.model_fields
    if not fields:
        return
    with pytest.raises(AoError) as caught:
        connection.call(name, dict.fromkeys(fields, "x" * (MEGABYTE // len(fields))), PATIENCE)
    assert_harmless(caught.value.wire())
    assert caught.value.code == "invalid_argument"


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("../\x1b[2J", {}),
        ("x" * MEGABYTE, {}),
        ("__class__", {}),
        ("list", {"\x1b[2J" * 1000: 1}),
        ("list", {str(n): n for n in range(10_000)}),
        ("list", {"limit": json.loads("[" * 500 + "]" * 500)}),
    ],
    ids=["escape", "long", "dunder", "long-name", "many-names", "deep"],
)
def test_names_from_outside_are_no_better(
    connection: wire.Connection, method: str, params: dict[str, Any]
) -> None:
    with pytest.raises(AoError) as caught:
        connection.call(method, params, PATIENCE)
    assert_harmless(caught.value.wire())


@pytest.mark.parametrize("text", [text for text in NASTY if "\ud800" not in text][:9])
def test_what_a_worker_is_given_to_do_stays_text(team: Team, text: str) -> None:
    made = team.call("create_issue", title=f"Nasty {text}", body=text)
    started = team.call("spawn", issue=made["issue"], prompt=text)
    session = started["session"]
    try:
        assert Path(started["path"]).is_relative_to(team.home)
        team.until(session, "pr_open")
        assert git(Path(started["path"]), "status", "--porcelain") == ""
    finally:
        team.call("kill", session=session)
        git(team.repository, "branch", "-q", "-D", started["branch"])
