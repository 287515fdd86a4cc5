"""The `gh` on a worker's PATH: everything is as without it, but counted, and told of."""

import os
import pty
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ao_core import spool
from ao_core.engine import wrappers
from ao_core.engine.home import Home, open_home
from ao_core.gh_use import LOG, gh_use
from ao_core.spool import HookEvent, HookKind

PAGE = "https://github.com/acme/app/pull/7"
REAL = """\
#!/bin/sh
case "$*" in
    *"pr create"*|*"pr new"*|*"create pr"*) printf 'Creating\\n' >&2; printf '%s\\n' "$SAYS" ;;
    *) printf '[%s]' "$@"; printf ' %s' "$PATH" >/dev/null; cat ;;
esac
[ -t 1 ] && echo terminal
[ -z "$DIES" ] || kill "-$DIES" $$
exit "${ENDS:-0}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = open_home(tmp_path / "home")
    wrappers.write(home)
    yield home
    home.close()


@pytest.fixture
def bin(tmp_path: Path) -> Path:
    """Where the real one is, as a test has it."""
    return program(tmp_path / "bin", REAL)


@pytest.fixture
def told(tmp_path: Path) -> Path:
    (tmp_path / "spool").mkdir()
    return tmp_path / "spool"


def program(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "gh").write_text(text)
    (folder / "gh").chmod(0o755)
    return folder


def environment(home: Home, bin: Path, told: Path, **more: str) -> Mapping[str, str]:
    path = f"{bin}:{os.environ['PATH']}"
    first = map(str, wrappers.on_path(home, {"PATH": path}))
    known = {"PATH": ":".join([*first, path]), "AO_SPOOL": str(told), "SAYS": PAGE}
    return {**known, **more}


def gh(
    env: Mapping[str, str], *args: str, says: bytes = b"", **more: Any
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["gh", *args], env=env, input=says, capture_output=True, timeout=30, **more
    )


def opened(told: Path) -> list[HookEvent]:
    return [spool.read(path) for path in spool.pending(told)]


@pytest.mark.parametrize(
    "args",
    [
        ("pr", "list", "--json", "a b", ""),
        ("no-such", "thing", "*", "$HOME", "a\nb"),
        ("api", "graphql", "-f", "query={ viewer { login } }"),
        ("issue", "view", "1", "--help"),
        (),
    ],
)
@pytest.mark.parametrize("status", ["0", "4"])
def test_what_it_is_told_says_and_ends_with_is_its_own(
    home: Home, bin: Path, told: Path, args: tuple[str, ...], status: str
) -> None:
    env = environment(home, bin, told, ENDS=status)
    plain = gh({**env, "PATH": f"{bin}:/usr/bin:/bin"}, *args, says=b"in \x00\xff")
    wrapped = gh(env, *args, says=b"in \x00\xff")
    assert plain.stdout.startswith(b"[")
    assert (wrapped.returncode, wrapped.stdout, wrapped.stderr) == (
        plain.returncode, plain.stdout, plain.stderr,
    )  # fmt: skip
    assert wrapped.returncode == int(status)


@pytest.mark.parametrize(
    ("args", "name"),
    [
        (("pr", "list"), "pr list"),
        (("-R", "acme/app", "pr", "-q", "checks", "12"), "pr checks"),
        (("api", "--hostname", "h", "repos/acme/app"), "api"),
        (("search", "prs", "a text"), "search prs"),
        (("status",), "status"),
        (("browse", "secret"), "browse"),
        (("Made-up", "x"), "other"),
    ],
)
def test_what_asks_github_is_counted_without_what_it_asks(
    home: Home, bin: Path, told: Path, args: tuple[str, ...], name: str
) -> None:
    env = environment(home, bin, told)
    for _ in range(3):
        gh(env, *args)
    assert gh_use(told).told() == f"3 commands: {name} 3"
    assert "text" not in (told / LOG).read_text()


@pytest.mark.parametrize(
    "args",
    [(), ("--version",), ("help", "pr"), ("auth", "token"), ("config", "get", "x"), ("pr", "-h")],
)
def test_what_asks_nobody_is_not_counted(
    home: Home, bin: Path, told: Path, args: tuple[str, ...]
) -> None:
    gh(environment(home, bin, told), *args)
    assert gh_use(told).told() == ""


def test_those_that_were_most_are_named_and_what_is_odd_is_but_counted(told: Path) -> None:
    lines = ["pr list"] * 4 + ["pr view"] * 2 + ["api "] * 3 + ["\x1b[2J", "A b", "x" * 999]
    (told / LOG).write_bytes("\n".join(lines).encode() + b"\nrun watch\n\xff\n")
    assert gh_use(told).told() == "14 commands: pr list 4, other 4, api 3"
    (told / LOG).unlink()
    os.mkfifo(told / LOG)
    assert gh_use(told).total == 0


# -- a pull request is opened --------------------------------------------------------------------


@pytest.mark.parametrize(
    "args",
    [("pr", "create", "-t", "T"), ("--repo", "a/b", "pr", "new"), ("-R", "a/b", "pr", "create")],
)
def test_a_pull_request_that_is_opened_is_told_of(
    home: Home, bin: Path, told: Path, args: tuple[str, ...]
) -> None:
    done = gh(environment(home, bin, told, SAYS=f"See https://x/pull/1x and\n{PAGE}"), *args)
    assert (done.returncode, done.stderr) == (0, b"Creating\n")
    assert done.stdout.decode() == f"See https://x/pull/1x and\n{PAGE}\n"
    (event,) = opened(told)
    assert (event.kind, event.text) == (HookKind.PULL_OPENED, PAGE)
    assert gh_use(told).total == 1


@pytest.mark.parametrize(
    ("args", "more"),
    [
        (("pr", "create"), {"ENDS": "1"}),
        (("pr", "create"), {"SAYS": "nothing of the kind"}),
        (("pr", "create", "--web"), {}),
        (("pr", "create", "--dry-run"), {}),
        (("issue", "create"), {}),
    ],
)
def test_what_opens_none_is_not_told_of(
    home: Home, bin: Path, told: Path, args: tuple[str, ...], more: dict[str, str]
) -> None:
    done = gh(environment(home, bin, told, **more), *args)
    assert done.returncode == int(more.get("ENDS", "0"))
    assert opened(told) == []


def test_a_terminal_stays_one(home: Home, bin: Path, told: Path) -> None:
    """What a terminal is told is not known here: that it went well is."""
    ours, theirs = pty.openpty()
    env = environment(home, bin, told)
    done = subprocess.run(["gh", "pr", "create"], env=env, stdin=theirs, stdout=theirs, timeout=30)
    os.close(theirs)
    assert done.returncode == 0
    assert b"terminal" in os.read(ours, 4096)
    os.close(ours)
    (event,) = opened(told)
    assert (event.kind, event.text) == (HookKind.PULL_OPENED, None)


@pytest.mark.parametrize("args", [("pr", "create"), ("pr", "list")])
def test_it_dies_as_gh_dies(home: Home, bin: Path, told: Path, args: tuple[str, ...]) -> None:
    done = gh(environment(home, bin, told, DIES="KILL"), *args)
    assert done.returncode == -signal.SIGKILL
    assert opened(told) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_who_is_asked_to_end_is_gh(
    home: Home, told: Path, tmp_path: Path, number: signal.Signals
) -> None:
    real = program(
        tmp_path / "bin",
        "#!/bin/sh\ntrap 'echo bye; exit 9' INT TERM HUP\n"
        "echo ready\nwhile :; do sleep 0.01; done\n",
    )
    env = environment(home, real, told)
    with subprocess.Popen(["gh", "pr", "create"], env=env, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        child.send_signal(number)
        assert child.stdout.read() == b"bye\n"
    assert child.returncode == 9


def test_who_reads_no_more_is_noticed(home: Home, told: Path, tmp_path: Path) -> None:
    real = program(tmp_path / "bin", "#!/bin/sh\nwhile echo line; do :; done 2>/dev/null\nexit 5\n")
    env = environment(home, real, told)
    with subprocess.Popen(["gh", "pr", "create"], env=env, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        child.stdout.close()
    assert child.returncode in (5, -signal.SIGPIPE)


# -- where it cannot do its part -----------------------------------------------------------------


def test_gh_works_where_nothing_can_be_written_down(home: Home, bin: Path, told: Path) -> None:
    for where in (told / "gone", Path("/dev/null")):
        done = gh(environment(home, bin, where), "pr", "create")
        assert (done.returncode, done.stdout.decode()) == (0, f"{PAGE}\n")
        assert done.stderr == b"Creating\n"
        assert gh(environment(home, bin, where), "pr", "list").stderr == b""


def test_gh_works_where_this_program_is_gone(
    home: Home, bin: Path, told: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/no/such/python")
    wrappers.write(home)
    assert gh(environment(home, bin, told), "pr", "create").stdout.decode() == f"{PAGE}\n"
    assert opened(told) == []


def test_who_has_no_gh_finds_none(home: Home, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert wrappers.on_path(home, {"PATH": str(empty)}) == (home.bin,)
    wrapper = home.bin / "ao-gh" / "gh"
    done = subprocess.run(
        [wrapper, "pr"], env={"PATH": str(empty)}, capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (127, b"gh: not found\n")


def test_no_wrapper_takes_another_for_the_real_one(
    home: Home, bin: Path, told: Path, tmp_path: Path
) -> None:
    other = open_home(tmp_path / "other")
    wrappers.write(other)
    other.close()
    within = environment(other, bin, told)
    first = ":".join(map(str, wrappers.on_path(home, within)))
    env = {**within, "PATH": f"{first}:{within['PATH']}:{first}"}
    assert gh(env, "pr", "list").stdout == b"[pr][list]"
    assert gh_use(told).total == 1
