"""Operations as commands: from small ones, over a real socket, to output and exit status."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from ao_core.errors import Several, Unknown, WrongState
from ao_mcp.cli import commands as cli_commands
from ao_mcp.cli.project import command, commands
from ao_mcp.cli.run import run
from ao_mcp.operations.contract import WORKERS, AnyOperation, Call, Operation, Reply, Request
from ao_mcp.operations.every import OPERATIONS
from faces.cli_peer import Peer, played, says
from faces.terminal import AO


class Colour(StrEnum):
    RED = "red"
    GREEN = "green"


class Pot(Request):
    size: float | None = None


class Paint(Request):
    thing: Annotated[str, Field(description="What to paint, as `list_things` has it.")]
    with_colours: Annotated[tuple[Colour, ...], Field(description="In which colours.")] = (
        Colour.RED,
    )
    tone: Literal["flat", "shiny"] | None = None
    coats: Annotated[int, Field(ge=1)] = 2
    dry_run: Annotated[bool, Field(description="Only tell.")] = False
    careful: bool = True
    pot: Pot | None = None
    project: str | None = None


class Painted(Reply):
    said: str


class Tell(Request):
    people: tuple[str, ...] = ()


async def never(call: Call, asked: Any) -> Painted:
    raise AssertionError("the engine is played by the peer")


PAINT = Operation(
    "paint_it", "Paint a thing", "Paint a thing. See `list_things`.", Paint, Painted, never,
    positional=("thing",),
)  # fmt: skip
TELL = Operation("tell", "Tell", "Tell people.", Tell, Painted, never, positional=("people",))
ASK = Operation("ask", "Ask", "Workers ask.", Tell, Painted, never, roles=WORKERS)
FAKES: tuple[AnyOperation, ...] = (PAINT, TELL, ASK)


@pytest.fixture
def env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    found = {
        "HOME": str(tmp_path),
        "AO_HOME": str(tmp_path / "h"),
        "XDG_RUNTIME_DIR": str(tmp_path),
    }
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AO_CONFIG_PATH", raising=False)
    monkeypatch.chdir(tmp_path)
    return found


@pytest.fixture
def peer(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    monkeypatch.setattr("ao_mcp.operations.every.OPERATIONS", FAKES)
    monkeypatch.setattr(cli_commands.ao, "commands", {})
    with played(Path(env["AO_HOME"]), env) as one:
        yield one


def test_only_what_was_said_is_sent(peer: Peer) -> None:
    assert run(["paint-it", "door"]) == 0
    assert peer.calls() == [("paint_it", {"thing": "door"})]


def test_options_lists_flags_and_choices_reach_the_engine_with_their_types(peer: Peer) -> None:
    said = ["--with-colours", "red", "--with-colours", "green", "--tone", "shiny", "--coats", "3"]
    assert run(["paint-it", "door", *said, "--dry-run", "--no-careful"]) == 0
    assert peer.calls() == [
        (
            "paint_it",
            {
                "thing": "door", "with_colours": ["red", "green"], "tone": "shiny", "coats": 3,
                "dry_run": True, "careful": False,
            },
        )
    ]  # fmt: skip


def test_a_list_argument_takes_many_or_none(peer: Peer) -> None:
    assert run(["tell", "ann", "bob"]) == 0
    assert run(["tell"]) == 0
    assert peer.calls() == [("tell", {"people": ["ann", "bob"]}), ("tell", {})]


def test_a_table_is_said_in_one_word(peer: Peer) -> None:
    assert run(["paint-it", "door", "--pot", "size=1.5,colour=red"]) == 0
    assert peer.calls() == [
        ("paint_it", {"thing": "door", "pot": {"size": "1.5", "colour": "red"}})
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["paint-it", "door", "--pot", "large"], "not of the form name=value"),
        (["paint-it"], "Missing argument 'THING'"),
        (["paint-it", "door", "--tone", "matt"], "'matt' is not one of"),
        (["paint-it", "door", "--coats", "many"], "'many' is not a valid integer"),
        (["paint-it", "door", "--dry-rum"], "No such option"),
        (["paintit"], "Did you mean `paint-it`?"),
        (["paint_it"], "Did you mean `paint-it`?"),
    ],
)
def test_misuse_is_told_before_the_engine_hears_of_it(
    peer: Peer, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert run(arguments) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert "hint: " in shown.err
    assert shown.out == ""
    assert peer.calls() == []


def test_misuse_is_json_where_json_was_asked_for(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["paint-it", "--json"]) == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["code"] == "invalid_argument"
    assert shown.err == ""


def test_help_names_arguments_choices_and_defaults(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["paint-it", "--help"]) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "THING What to paint, as `list-things` has it." in told
    assert "--with-colours [red|green] In which colours. Repeatable. [default: red]" in told
    assert "--careful / --no-careful" in told
    assert "[default: 2]" in told
    assert "--json" in told


def test_json_is_the_reply_and_nothing_else(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    peer.answer = says({"said": "a\x1b[31m\u009b\nb", "n": None})
    assert run(["paint-it", "door", "--json"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"said": "a\x1b[31m\u009b\nb", "n": None}
    assert not set(shown.out) & {"\x1b", "\u009b"}
    assert shown.err == ""


def test_an_error_is_told_with_its_remedy(peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise WrongState("It \x1b[31mis dry.", hint="See `list_things`.")

    peer.answer = answer
    assert run(["paint-it", "door"]) == 1
    shown = capsys.readouterr()
    assert shown.err == "error: It is dry.\nhint: See `list-things`.\n"
    assert shown.out == ""


def test_every_one_of_several_errors_is_told(
    peer: Peer, capsys: pytest.CaptureFixture[str]
) -> None:
    def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
        raise Several([WrongState("One.", hint="First."), Unknown("Two.")])

    peer.answer = answer
    assert run(["paint-it", "door"]) == 1
    assert capsys.readouterr().err == "error: One.\nhint: First.\nerror: Two.\n"
    assert run(["paint-it", "door", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert [one["code"] for one in error["problems"]] == ["wrong_state", "not_found"]


def test_the_engine_is_told_who_calls_and_from_where(peer: Peer, tmp_path: Path) -> None:
    assert run(["--config", "some.yaml", "tell"]) == 0
    preamble = peer.next()
    assert (preamble["face"], preamble["role"]) == ("operations", "person")
    assert preamble["cwd"] == str(tmp_path)
    assert preamble["config"] == str(tmp_path / "some.yaml")
    assert preamble["env"]["HOME"] == str(tmp_path)


def test_a_project_is_named_once_for_the_whole_command(peer: Peer) -> None:
    assert run(["--project", "shop", "paint-it", "door"]) == 0
    assert run(["--project", "shop", "paint-it", "door", "--project", "bank"]) == 0
    assert run(["--project", "shop", "tell"]) == 0
    assert [params.get("project") for _, params in peer.calls()] == ["shop", "bank", None]


def test_another_home_is_another_engine(
    peer: Peer, env: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with played(tmp_path / "other", env) as other:
        assert run(["--home", "other", "tell"]) == 0
        assert other.calls() == [("tell", {})]
    assert peer.calls() == []


def test_ctrl_c_gives_the_call_up_and_ends_the_command(env: dict[str, str]) -> None:
    hold = threading.Event()

    def answer(method: str, params: dict[str, Any]) -> dict[str, Any]:
        peer.heard.put({"waits": True})
        assert hold.wait(10)
        return {}

    with played(Path(env["AO_HOME"]), env) as peer:
        peer.answer = answer
        process = subprocess.Popen(
            [*AO, "wait"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        while "waits" not in peer.next():
            pass
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        hold.set()
        assert peer.next().get("cancel") is True
    assert (process.returncode, out, err.strip()) == (130, "", "")


def test_a_reader_who_leaves_early_breaks_nothing(env: dict[str, str]) -> None:
    line = {
        "session": "shop-1", "project": "shop", "status": "idle", "attention": "none", "title": "t",
    }  # fmt: skip

    with played(Path(env["AO_HOME"]), env) as peer:
        peer.answer = says({"projects": [], "sessions": [line] * 20_000})
        process = subprocess.Popen(
            [*AO, "list"], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout
        assert process.stderr
        process.stdout.read(100)
        process.stdout.close()
        assert process.wait(10) == 1
        assert process.stderr.read() == b""
        process.stderr.close()


def test_people_get_no_command_for_what_is_for_workers() -> None:
    assert list(commands(FAKES)) == ["paint-it", "tell"]


def test_every_operation_for_people_has_a_command_whose_options_do_not_collide() -> None:
    made = commands(OPERATIONS)
    assert {"list", "spawn", "list-issues", "merge", "wait", "trust", "stop"} <= made.keys()
    for one in made.values():
        flags = [flag for param in one.params for flag in (*param.opts, *param.secondary_opts)]
        assert len(flags) == len(set(flags)), one.name
        assert "--json" in flags


def test_a_field_a_command_line_cannot_say_is_refused_when_the_command_is_made() -> None:
    class Odd(Request):
        thing: dict[str, int] | None = None

    with pytest.raises(TypeError, match="no way to say"):
        command(Operation("odd", "Odd", "Odd.", Odd, Painted, never))


HEAVY = {"pydantic", "mcp", "anyio", "rich", "click", "asyncio", "yaml"}


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [(["--version"], set[str]()), (["start", "--help"], {"click"}), (["logs", "-h"], {"click"})],
)
def test_a_command_imports_no_more_than_it_needs(arguments: list[str], allowed: set[str]) -> None:
    code = (
        f"import sys; sys.argv[1:] = {arguments!r}\n"
        "from ao_mcp.cli.__main__ import main\n"
        "status = main()\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, env={}
    )
    said, _, loaded = done.stdout.partition("LOADED")
    assert HEAVY & set(loaded.split()) <= allowed
    assert said.startswith("ao 0.1.0" if arguments == ["--version"] else "Usage: ao")


def test_all_help_is_one_page_of_two_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    team, _, engine = capsys.readouterr().out.partition("The engine:")
    assert all(f"\n  {name} " in team for name in ("spawn", "list-issues", "merge"))
    assert all(f"\n  {name} " in engine for name in ("start", "doctor", "attach", "demo"))
    assert "\n  stop " not in team


def test_an_error_of_ours_is_never_shown_as_a_trace(
    env: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    Path(env["AO_HOME"]).write_text("a file is in the way")
    assert run(["list"]) == 1
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert "Traceback" not in shown
