"""What cannot be done is refused by every face at once, with its remedy, leaving nothing behind."""

import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from asking import FACES, by_operations
from team import CONFIG, Team, git

AT_ONCE = 10.0  # seconds; every deadline behind a refusal is longer
PLUGIN = """\
plugins:
  - name: desk
    slot: {slot}
    path: ./desk.py:Desk
"""
NOTIFIED = "defaults:\n  notifiers: [lead, desk]\n"
_DROP_BOUND = 24  # prctl: what no child of this process can ever do
_PASS_OVER_PERMISSIONS = (1, 2, 3)


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """One engine for all that an engine can refuse."""
    folder = tmp_path_factory.mktemp("team")
    one = Team(folder / "home", Team.new_repository(folder / "sample"), folder / "run")
    yield one.trusted()
    one.end()


@pytest.fixture
def place(team: Team) -> Path:
    """A folder for one test's repositories."""
    return Path(tempfile.mkdtemp(prefix="at-", dir=team.home.parent))


def traces(team: Team, *repositories: Path) -> dict[str, Any]:
    """Everything that a worker leaves somewhere."""
    folders = ("worktrees", "prompts", "spool")
    return {
        "refs": [git(one, "for-each-ref") for one in repositories],
        "worktrees": [git(one, "worktree", "list") for one in repositories],
        "folders": sorted(path for name in folders for path in team.home.glob(f"*/{name}/*")),
        "agents": sorted(pid for pid, argv in running(team).items() if "_keeper" not in argv),
        "terminals": terminals(team),
        "sessions": by_operations(team, team.repository, "list").result,
    }


def running(team: Team) -> dict[int, list[str]]:
    """The command line of every process of this home."""
    found: dict[int, list[str]] = {}
    for one in team.processes():
        with suppress(psutil.NoSuchProcess):
            found[one.pid] = one.cmdline() or [""]
    return found


def terminals(team: Team) -> list[str]:
    """The agents' sessions on this home's terminal server."""
    lines = running(team).values()
    ours = {line[line.index("-S") + 1] for line in lines if "tmux" in line[0] and "-S" in line}
    listing = ("list-sessions", "-F", "#{session_name}")
    said = [
        subprocess.run(["tmux", "-S", path, *listing], capture_output=True, text=True).stdout
        for path in ours
    ]
    return [name for names in said for name in names.split() if name != "_keeper"]


def refused(team: Team, cwd: Path, method: str = "spawn", **arguments: Any) -> Mapping[str, Any]:
    """Ask by every face; the one error all of them told."""
    if method == "spawn" and not arguments.keys() & {"issue", "prompt"}:
        arguments["prompt"] = "do: say hi"
    told: list[Mapping[str, Any]] = []
    for face in FACES:
        began = time.monotonic()
        error = face(team, cwd, method, **arguments).error
        assert error, f"{face.__name__} did it"
        assert time.monotonic() - began < AT_ONCE
        told.append(error)
    assert told[0] == told[1]
    assert_typed(told[0])
    return told[0]


def assert_typed(error: Mapping[str, Any]) -> None:
    assert error.keys() - {"problems"} == {"code", "message", "retryable", "hint"}
    assert error["message"]
    assert error["hint"]
    assert "Traceback" not in json.dumps(error)


def refused_cleanly(team: Team, cwd: Path, *repositories: Path, **arguments: Any) -> Any:
    """Refused, and nothing is there that was not there before."""
    mine = (team.repository, *repositories)
    before = traces(team, *mine)
    error = refused(team, cwd, **arguments)
    after = traces(team, *mine)
    assert after == {**before, "sessions": after["sessions"]}
    assert after["sessions"]["sessions"] == before["sessions"]["sessions"]
    return error


# -- what the caller asked for ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says", "hint"),
    [
        ({"base": "nowhere"}, "invalid_argument", "'nowhere' is not a branch", "Name a branch"),
        ({"base": "main~0"}, "invalid_id", "not a valid branch name", "check-ref-format"),
        ({"issue": "77"}, "not_found", "Issue '77' does not exist", "list_issues"),
        ({"agent": "nobody"}, "config_invalid", "no agent 'nobody'", "Known: aider"),
        ({"agent": "comand"}, "config_invalid", "no agent 'comand'", "Did you mean command?"),
        ({"project": "nobody"}, "not_found", "no project nobody", "`list` shows"),
        ({"project": "../x"}, "invalid_id", "not a valid project name", "letters, digits"),
        ({"branch": "../x"}, "invalid_id", "not a valid branch name", "check-ref-format"),
        ({"prompt": ""}, "invalid_argument", "nothing to do", "Give `issue`, `prompt`"),
        ({"prompt": " \n\t "}, "invalid_argument", "nothing to do", "Give `issue`, `prompt`"),
        ({"promt": "x"}, "invalid_argument", "did you mean `prompt`", "Nothing was done"),
    ],
    ids=lambda value: json.dumps(value) if isinstance(value, dict) else "",
)
def test_what_does_not_exist_is_named_with_what_does(
    team: Team, arguments: dict[str, str], code: str, says: str, hint: str
) -> None:
    error = refused_cleanly(team, team.repository, **arguments)
    assert (error["code"], error["retryable"]) == (code, False)
    assert says in error["message"]
    assert hint in error["hint"]


@pytest.mark.parametrize("method", ["show", "read", "kill", "merge", "restore"])
def test_a_session_that_never_was_is_unknown_to_every_verb(team: Team, method: str) -> None:
    error = refused_cleanly(team, team.repository, method=method, session="sam-99")
    assert (error["code"], error["message"]) == ("not_found", "There is no such session.")


def test_everything_wrong_is_told_at_once(team: Team) -> None:
    error = refused_cleanly(team, team.repository, issue="77", agent="nobody", base="nowhere")
    assert error["code"] == "several_problems"
    codes = [problem["code"] for problem in error["problems"]]
    assert codes == ["config_invalid", "not_found", "invalid_argument"]  # always in this order
    for problem in error["problems"]:
        assert_typed(problem)
        assert problem["message"] in error["message"]
        assert problem["hint"] in error["hint"]


# -- where it was asked ----------------------------------------------------------------------------


def test_outside_a_repository_a_project_has_to_be_named(team: Team, place: Path) -> None:
    error = refused_cleanly(team, place)
    assert error["code"] == "invalid_argument"
    assert "not come from inside a git repository" in error["message"]
    assert "Name one with `project`" in error["hint"]


@pytest.mark.parametrize("orphaned", [False, True], ids=["empty", "unborn"])
def test_before_the_first_commit_there_is_nothing_to_work_on(
    team: Team, place: Path, orphaned: bool
) -> None:
    if orphaned:
        git(Team.new_repository(place / "it"), "checkout", "-q", "--orphan", "fresh")
    else:
        git(place, "init", "-q", "-b", "main", "it")
    error = refused_cleanly(team, place / "it", place / "it", agent="command")
    assert error["code"] == "wrong_state"
    assert "no commit yet" in error["message"]
    assert "git commit --allow-empty" in error["hint"]


def test_a_bare_repository_has_no_files_to_work_on(team: Team, place: Path) -> None:
    bare = place / "bare.git"
    git(place, "clone", "-q", "--bare", str(team.repository), str(bare))
    error = refused_cleanly(team, bare, bare)
    assert error["code"] == "config_invalid"
    assert "bare repository" in error["message"]
    assert "git clone" in error["hint"]


def test_a_detached_head_is_no_hindrance_while_the_base_is_a_branch(
    team: Team, place: Path
) -> None:
    repository = Team.new_repository(place / "it", CONFIG.replace("sample", "detached"))
    git(repository, "checkout", "-q", "--detach")
    started = by_operations(team, repository, "spawn", prompt="do: say hi").result
    assert started
    shown = team.until(started["session"], "idle")
    assert shown["base"] == "main"
    assert terminals(team) == [started["session"]]
    team.call("kill", session=started["session"])


@pytest.mark.parametrize("base", [None, "HEAD"])
def test_a_detached_head_is_not_what_work_goes_to(
    team: Team, place: Path, base: str | None
) -> None:
    config = CONFIG.replace("sample", "adrift" if base else "lost")
    repository = Team.new_repository(place / "it", config)
    git(repository, "checkout", "-q", "--detach")
    git(repository, "branch", "-q", "-m", "main", "elsewhere")
    arguments = {"base": base} if base else {}
    error = refused_cleanly(team, repository, repository, **arguments)
    assert error["code"] == ("invalid_id" if base else "invalid_argument")
    assert "branch" in error["message"]
    assert "name" in error["hint"].lower()


# -- what the configuration says -------------------------------------------------------------------


def configured(place: Path, config: str, **files: str) -> Path:
    repository = Team.new_repository(place / "it", CONFIG.replace("sample", place.name[:40]))
    (repository / "agent-orchestrator.yaml").write_text(config)
    for name, text in files.items():
        (repository / f"{name}.py").write_text(text)
    return repository


def test_an_agent_that_is_not_installed_is_told_with_all_else(team: Team, place: Path) -> None:
    wanted = "command: [no-such-agent, '{prompt}']"
    config = CONFIG.replace("sample", "bare").replace("preset: worker", wanted)
    repository = configured(place, config)
    by_operations(team, repository, "trust", digest=digest(team, repository))
    error = refused_cleanly(team, repository, repository)
    assert error["code"] == "not_installed"
    assert "no-such-agent is not on PATH" in error["message"]
    several = refused_cleanly(team, repository, repository, base="nowhere")
    assert [one["code"] for one in several["problems"]] == ["not_installed", "invalid_argument"]


def test_an_agent_that_cannot_be_run_leaves_no_branch(
    team: Team, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = place / "broken-agent"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    config = CONFIG.replace("sample", "cut").replace(
        "preset: worker", "command: broken-agent {prompt}"
    )
    repository = configured(place, config)
    monkeypatch.setitem(team.env, "PATH", f"{place}:{team.env['PATH']}")
    by_operations(team, repository, "trust", digest=digest(team, repository))
    mine = (team.repository, repository)
    before = traces(team, *mine)
    error = refused(team, repository)
    listed = team.call("list")["sessions"]
    assert [one["status"] for one in listed] == ["errored"] * len(FACES)
    for one in listed:  # it is known what became of them, until somebody sees to that
        team.call("kill", session=one["session"])
    after = traces(team, *mine)
    assert after == {**before, "sessions": after["sessions"]}
    assert after["sessions"]["sessions"] == before["sessions"]["sessions"]
    assert error["code"] == "not_installed"
    assert "broken-agent cannot be run" in error["message"]


def digest(team: Team, repository: Path) -> str:
    shown = by_operations(team, repository, "trust").result
    assert shown
    return shown["digest"]


def test_code_is_not_run_before_a_person_has_read_it(team: Team, place: Path) -> None:
    repository = configured(place, CONFIG + f"    post_create: [touch {place}/made]\n")
    error = refused_cleanly(team, repository, repository)
    assert error["code"] == "not_trusted"
    assert "post_create" in error["message"]
    assert "`ao trust sample`" in error["hint"]
    assert not (place / "made").exists()


def test_a_broken_configuration_is_told_whole_with_its_lines(team: Team, place: Path) -> None:
    config = (
        "projects:\n  it:\n    path: .\n    agnet: command\n"
        "    agentConfig:\n      permissions: maybe\ndefualts: {}\nport: many\n"
    )
    repository = configured(place, config)
    error = refused_cleanly(team, repository, repository)
    assert error["code"] == "config_invalid"
    told = error["message"].splitlines()
    starts = [f"{repository}/agent-orchestrator.yaml:{line}:" for line in (4, 6, 7, 8)]
    assert [line.split(" ")[0] for line in told] == starts
    assert "did you mean 'agent'?" in told[0]
    assert "did you mean 'defaults'?" in told[2]
    assert "docs/configuration.md" in error["hint"]


def test_what_is_no_yaml_is_told_with_its_line(team: Team, place: Path) -> None:
    repository = configured(place, "projects: [\n  it:\n")
    error = refused_cleanly(team, repository, repository)
    assert error["code"] == "config_invalid"
    assert "agent-orchestrator.yaml:3: this is not YAML" in error["message"]


def test_a_configuration_asked_for_that_is_not_there_is_told(
    team: Team, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(team.env, "AO_CONFIG_PATH", str(place / "none.yaml"))
    errors = [face(team, team.repository, "spawn", prompt="x").error for face in FACES]
    for error in errors:
        assert error
        assert_typed(error)
        assert error["code"] == "config_invalid"
        assert f"There is no file {place}/none.yaml" in error["message"]


# -- plugins of others -----------------------------------------------------------------------------

BROKEN = {
    "raises-on-import": "raise RuntimeError('boom')\n",
    "no-python": "def (:\n",
    "leaves": "raise SystemExit(3)\n",
    "empty": "",
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_notifier_keeps_nobody_from_working(team: Team, place: Path, kind: str) -> None:
    config = CONFIG.replace("sample", f"n-{kind}") + PLUGIN.format(slot="notifier") + NOTIFIED
    repository = configured(place, config, desk=BROKEN[kind])
    by_operations(team, repository, "trust", digest=digest(team, repository))
    told = by_operations(team, repository, "notify", text="ready").result
    assert told
    lead, desk = told["results"]
    assert (lead["notifier"], lead["delivered"]) == ("lead", True)
    assert (desk["notifier"], desk["delivered"]) == ("desk", False)
    assert "desk.py:Desk cannot be" in desk["error"]
    started = by_operations(team, repository, "spawn", prompt="do: say hi").result
    assert started
    team.call("kill", session=started["session"])


@pytest.mark.parametrize(
    ("method", "said"),
    [
        ("async def open(self):\n        raise RuntimeError('boom')", "opening it failed"),
        ("def __init__(self, config, scope):\n        raise OSError('boom')", "opening it failed"),
        ("async def notify(self, note):\n        raise KeyError('boom')", "telling failed"),
    ],
    ids=["open", "init", "notify"],
)
def test_what_breaks_in_a_notifier_stays_in_it(
    team: Team, place: Path, method: str, said: str
) -> None:
    source = (
        "from ao_core.plugin import Config, Manifest\n"
        "from ao_core.slots.notifier import Notifier\n\n\n"
        "class Desk(Notifier[Config]):\n"
        "    manifest = Manifest('desk', 'notifier', 'A desk', '1.0')\n\n"
        "    async def notify(self, note):\n        pass\n\n"
        f"    {method}\n"
    )
    config = CONFIG.replace("sample", f"b-{len(method)}") + PLUGIN.format(slot="notifier")
    repository = configured(place, config + NOTIFIED, desk=source)
    by_operations(team, repository, "trust", digest=digest(team, repository))
    told = by_operations(team, repository, "notify", text="ready").result
    assert told
    assert [one["delivered"] for one in told["results"]] == [True, False]
    assert said in told["results"][1]["error"]
    assert "boom" in told["results"][1]["error"]


def test_a_broken_agent_is_told_and_the_others_work(team: Team, place: Path) -> None:
    config = CONFIG.replace("sample", "agents") + PLUGIN.format(slot="agent")
    repository = configured(place, config, desk=BROKEN["raises-on-import"])
    by_operations(team, repository, "trust", digest=digest(team, repository))
    error = refused_cleanly(team, repository, repository, agent="desk")
    assert error["code"] == "broken_plugin"
    assert "RuntimeError: boom" in error["message"]
    started = by_operations(team, repository, "spawn", prompt="do: say hi").result
    assert started
    team.call("kill", session=started["session"])


# -- what the machine lacks ------------------------------------------------------------------------


@pytest.fixture
def poor(tmp_path: Path) -> Iterator[Team]:
    """A machine of its own, where only a few programs are installed."""
    one = Team(tmp_path / "home", Team.new_repository(tmp_path / "sample"), tmp_path / "run")
    yield one
    one.env["PATH"] = os.environ["PATH"]
    one.end()


def install_only(team: Team, *programs: str) -> None:
    folder = team.home.parent / "bin"
    folder.mkdir()
    for name in programs:
        (folder / name).symlink_to(shutil.which(name) or name)
    (team.home.parent / ".profile").write_text(f"PATH={folder}\nexport PATH\n")
    team.env["PATH"] = str(folder)


def test_without_tmux_no_worker_starts_and_all_else_goes_on(poor: Team) -> None:
    install_only(poor, "git", "sh", "env", "python3")
    made = by_operations(poor, poor.repository, "create_issue", title="Still here").result
    assert made
    error = refused_cleanly(poor, poor.repository, base="nowhere")
    assert error["code"] == "several_problems"
    missing, wrong = sorted(error["problems"], key=lambda one: one["code"], reverse=True)
    assert (missing["code"], wrong["code"]) == ("not_installed", "invalid_argument")
    assert "tmux is not on PATH" in missing["message"]
    assert "Install tmux" in missing["hint"]


def test_without_git_it_says_what_to_install(poor: Team) -> None:
    install_only(poor, "tmux", "sh", "env", "python3")
    error = refused(poor, poor.repository)
    assert (error["code"], error["message"]) == ("not_installed", "git is not installed")
    assert "Install git" in error["hint"]


def test_a_home_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    team = Team(tmp_path / "file" / "home", Team.new_repository(tmp_path / "it"), tmp_path / "run")
    error = refused(team, team.repository, method="list")
    assert error["code"] == "config_invalid"
    assert "Not a directory" in error["message"]
    assert "AO_HOME" in error["hint"]
    assert team.processes() == []


@pytest.mark.parametrize("there", [True, False], ids=["read-only", "in-a-read-only-folder"])
def test_a_home_that_cannot_be_written_is_refused(there: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        outer = Path(folder) / "outer"
        home = outer / "home"
        (home if there else outer).mkdir(parents=True)
        closed = home if there else outer
        closed.chmod(0o500)
        error = in_obedience(home)
        assert_typed(error)
        assert error["code"] == "config_invalid"
        assert "Permission denied" in error["message"]
        assert "AO_HOME" in error["hint"]
        assert list(closed.iterdir()) == []
        closed.chmod(0o700)


def in_obedience(home: Path) -> Mapping[str, Any]:
    """The error of `ao list` by somebody whom permission bits hold, even where we are root."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home.parent.parent), "AO_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-I", "-m", "ao_mcp.cli", "list", "--json"],
        env=env, cwd="/", preexec_fn=_obey, capture_output=True, text=True, timeout=AT_ONCE,
    )  # fmt: skip
    assert done.returncode == 1, done
    return json.loads(done.stdout)["error"]


def _obey() -> None:
    if os.getuid() != 0:
        return
    libc = ctypes.CDLL(None)
    for capability in _PASS_OVER_PERMISSIONS:
        libc.prctl(_DROP_BOUND, capability, 0, 0, 0)


def test_a_second_engine_is_told_who_holds_the_home(team: Team) -> None:
    before = team.engine_pid
    engine = [sys.executable, "-I", "-m", "ao_mcp.engine_process", str(team.home)]
    done = subprocess.run(engine, env=team.env, capture_output=True, text=True, timeout=AT_ONCE)
    error = json.loads(done.stdout)["error"]
    assert_typed(error)
    assert (done.returncode, error["code"]) == (1, "engine_running")
    assert f"held by process {before}" in error["message"]
    assert "ao stop" in error["hint"]
    assert team.engine_pid == before
