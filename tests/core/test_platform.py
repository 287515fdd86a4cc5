"""What differs between operating systems, each of them played in turn."""

import os
import shlex
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ao_core import platform
from ao_core.errors import BadRequest, ConfigError
from ao_core.platform import folders, kind, processes, shell, sockets

T = TypeVar("T")
Play = Callable[[platform.System], None]
LINUX_ONLY = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


def always(value: T) -> Callable[..., T]:
    return lambda *_: value


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    return lambda system: monkeypatch.setattr(kind, "_SYSTEM", system)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the system's own tools answer, by the tool's name."""
    answers: dict[str, str] = {}

    def ask(*argv: str) -> str:
        return answers.get(argv[0].rpartition("/")[2], "")

    for module in (folders, processes, sockets):
        monkeypatch.setattr(module, "ask", ask)
    return answers


@pytest.mark.parametrize(
    ("named", "release", "expected"),
    [
        ("win32", "", "windows"),
        ("darwin", "24", "macos"),
        ("linux", "6.1.0-debian", "linux"),
        ("linux", "5.15.167-Microsoft-standard-WSL2", "wsl"),
    ],
)
def test_the_system_is_recognised(
    named: str, release: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", named)
    monkeypatch.setattr(os, "uname", lambda: os.uname_result(("", "", release, "", "")))
    assert kind._detect() == expected  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("system", "runtime", "terminal", "sockets_too"),
    [
        ("linux", "tmux", "web", True),
        ("wsl", "tmux", "web", True),
        ("macos", "tmux", "iterm2", True),
        ("windows", "process", "web", False),
    ],
)
def test_each_system_has_its_defaults(
    system: platform.System, runtime: str, terminal: str, sockets_too: bool, play: Play
) -> None:
    play(system)
    assert platform.system() == system
    assert platform.default_runtime() == runtime
    assert platform.default_terminal() == terminal
    assert platform.has_unix_sockets() == sockets_too


def test_the_loopback_is_a_number() -> None:
    assert platform.loopback() == "127.0.0.1"


@pytest.mark.parametrize(
    ("chosen", "flag"),
    [
        ("cmd", "/c"),
        (r"C:\Windows\System32\CMD.EXE", "/c"),
        ("/usr/bin/bash", "-c"),
        (r"C:\Program Files\Git\bin\bash.exe", "-c"),
        ("sh", "-c"),
        ("/bin/zsh", "-c"),
        ("pwsh", "-Command"),
        ("/opt/powershell", "-Command"),
    ],
)
def test_the_flag_follows_the_chosen_shell(chosen: str, flag: str) -> None:
    assert platform.shell_command("x y", {"AO_SHELL": chosen}) == (chosen, flag, "x y")


def test_where_none_is_chosen_each_system_has_its_shell(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert platform.shell_command("x", {"SHELL": "/bin/fish"}) == ("/bin/sh", "-c", "x")
    play("windows")
    found: dict[str, str] = {}

    def which(name: str, _: object) -> str | None:
        return found.get(name)

    monkeypatch.setattr(shell, "_which", which)
    assert platform.shell_command("x", {"COMSPEC": "C:\\cmd.exe"}) == ("C:\\cmd.exe", "/c", "x")
    found["powershell"] = "C:\\powershell.exe"
    assert platform.shell_command("x", {})[:2] == ("C:\\powershell.exe", "-Command")
    found["pwsh"] = "C:\\pwsh.exe"
    assert platform.shell_command("x", {})[:2] == ("C:\\pwsh.exe", "-Command")


def test_a_shell_command_runs() -> None:
    command = platform.shell_command("echo $((40 + 2))", {})
    done = subprocess.run(command, capture_output=True, timeout=10, check=True)
    assert done.stdout == b"42\n"


def test_the_bash_for_scripts_is_never_that_of_wsl(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play("windows")
    assert platform.bash_path({"AO_BASH_PATH": "D:\\bash.exe"}) == "D:\\bash.exe"
    no_git: Callable[[str], bool] = lambda path: "Program Files" not in path  # noqa: E731
    monkeypatch.setattr(shell, "_is_file", no_git)
    system = "C:\\Windows\\System32;C:\\Users\\me\\AppData\\Local\\Microsoft\\WindowsApps\\"
    assert platform.bash_path({"PATH": system}) is None
    found = platform.bash_path({"PATH": f"{system};D:\\msys\\bin"})
    assert found is not None
    assert found.startswith("D:\\msys\\bin")
    monkeypatch.setattr(shell, "_is_file", always(True))
    assert platform.bash_path({"PATH": system}) == r"C:\Program Files\Git\bin\bash.exe"


def test_elsewhere_bash_is_the_one_on_the_path(tmp_path: Path) -> None:
    bash = tmp_path / "bash"
    bash.write_text("#!/bin/sh\n")
    bash.chmod(0o755)
    assert platform.bash_path({"PATH": str(tmp_path)}) == str(bash)
    assert platform.bash_path({"PATH": str(tmp_path / "none")}) is None


ARGUMENTS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=15)
    | st.text(st.sampled_from("'\"\\$`!*? \n;&|<>(){}#~-"), max_size=10),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(ARGUMENTS)
@pytest.mark.parametrize("name", ["sh", "bash"])
def test_what_is_quoted_comes_back_unchanged_from_a_real_shell(name: str, argv: list[str]) -> None:
    script = f"printf '%s\\0' {platform.quote(argv, name)}"
    done = subprocess.run([name, "-c", script], capture_output=True, timeout=10, check=True)
    assert done.stdout == b"".join(arg.encode() + b"\0" for arg in argv)
    assert shlex.split(platform.quote(argv)) == argv


@pytest.mark.parametrize(
    ("name", "argv", "quoted"),
    [
        ("pwsh", ["git", "it's $x", "\u2019"], "& 'git' 'it''s $x' '\u2019\u2019'"),
        ("PowerShell.exe", ["a"], "& 'a'"),
        ("fish", ["a\\", "it's"], r"'a\\' 'it\'s'"),
        ("cmd.exe", ["echo", "a b", "%PATH%&x"], 'echo ^"a b^" ^%PATH^%^&x'),
    ],
)
def test_other_shells_are_quoted_for_by_their_rules(
    name: str, argv: list[str], quoted: str
) -> None:
    assert platform.quote(argv, name) == quoted


def test_cmd_cannot_be_given_a_line_break() -> None:
    with pytest.raises(BadRequest):
        platform.quote(["echo", "a\nb"], "cmd")


def test_the_default_environment_is_filled_up(play: Play) -> None:
    made = platform.default_env({})
    assert set(made) == {"HOME", "TMPDIR", "SHELL", "PATH", "USER"}
    assert all(made.values())
    assert made["SHELL"] == "/bin/sh"
    given_ = {"HOME": "/h", "TMPDIR": "/t", "SHELL": "/bin/zsh", "PATH": "/p", "USER": "u"}
    assert platform.default_env(given_ | {"OTHER": "x"}) == given_
    assert platform.default_env({"LOGNAME": "me"})["USER"] == "me"
    play("windows")
    windows = {"USERPROFILE": "C:\\me", "USERNAME": "me", "TEMP": "C:\\t", "COMSPEC": "C:\\cmd.exe"}
    made = platform.default_env(windows)
    assert (made["HOME"], made["USER"], made["TMPDIR"]) == ("C:\\me", "me", "C:\\t")


def test_one_file_by_two_paths_is_one(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert platform.same_path(tmp_path / "a", tmp_path / "link" / ".." / "a")
    assert platform.same_path(tmp_path / "link" / "new", tmp_path / "a" / "new")
    assert not platform.same_path(tmp_path / "a", tmp_path / "b")


def test_letter_case_counts_where_the_file_system_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, capital = tmp_path / "name", tmp_path / "NAME"
    assert not platform.same_path(plain, capital)
    plain.mkdir()
    monkeypatch.setattr(folders, "_ignores_case", always(True))
    assert platform.same_path(plain / "a", capital / "A")
    assert not platform.same_path(plain / "a", capital / "B")


def test_a_file_system_that_ignores_case_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "name").mkdir()
    ignores_case = folders._ignores_case  # pyright: ignore[reportPrivateUsage]
    assert not ignores_case(tmp_path / "name")
    (tmp_path / "NAME").mkdir()
    assert not ignores_case(tmp_path / "name"), "two folders, not one"
    (tmp_path / "NAME").rmdir()
    (tmp_path / "NAME").symlink_to(tmp_path / "name")  # as such a file system answers
    assert ignores_case(tmp_path / "name" / "not there")


def test_sockets_go_to_the_users_own_folder(tmp_path: Path) -> None:
    home, shared = tmp_path / "home", Path(f"/tmp/ao-test-{os.getpid()}")
    shared.mkdir(mode=0o700)
    try:
        made = platform.runtime_dir(home, {"XDG_RUNTIME_DIR": str(shared)})
        assert made.parent == shared
        assert len(made.name) == len("ao-") + 12
        assert not made.exists()
        assert made != platform.runtime_dir(tmp_path, {"XDG_RUNTIME_DIR": str(shared)})
        (tmp_path / "link").symlink_to(home)
        assert made == platform.runtime_dir(tmp_path / "link", {"XDG_RUNTIME_DIR": str(shared)})
    finally:
        shared.rmdir()


@pytest.mark.parametrize("shared", ["", "relative", "/nowhere/at/all", "/" + "x" * 90])
def test_without_one_sockets_go_to_a_folder_named_for_the_user(shared: str) -> None:
    env = {"XDG_RUNTIME_DIR": shared, "TMPDIR": "/var/tmp"}
    made = platform.runtime_dir(Path("/h"), env)
    assert made.parent == Path("/var/tmp")
    assert made.name.startswith(f"ao-{os.getuid()}-")


@given(st.text("abc/", min_size=1, max_size=150), st.text("abc/", max_size=150))
def test_a_socket_path_always_fits(home: str, temporary: str) -> None:
    made = platform.runtime_dir(Path("/" + home), {"TMPDIR": "/" + temporary})
    assert len(os.fsencode(made / ("n" * 24))) < 100


def test_another_users_folder_is_not_private(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert platform.make_private(tmp_path / "a") == tmp_path / "a"
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(ConfigError, match="another user"):
        platform.make_private(tmp_path / "a")


def test_a_folder_that_cannot_be_made_is_told_with_a_remedy() -> None:
    with pytest.raises(ConfigError, match="private folder") as caught:
        platform.make_private(Path("/proc/nowhere/a"))
    assert "AO_HOME" in (caught.value.hint or "")


MOUNTS = r"""/dev/vda / ext4 rw 0 0
server:/x /net nfs4 rw 0 0
/dev/vdb /net/local\040disk xfs rw 0 0
me@box: /srv/me/far fuse.sshfs rw 0 0
C:\134 /mnt/c 9p rw 0 0
/dev/vda /over ext4 rw 0 0
//box/share /over cifs rw 0 0
"""


@pytest.mark.parametrize(
    ("path", "kind_found"),
    [
        ("/srv/me", None),
        ("/net", "nfs4"),
        ("/net/a/b", "nfs4"),
        ("/network", None),
        ("/net/local disk/a", None),
        ("/srv/me/far/away", "fuse.sshfs"),
        ("/over/a", "cifs"),
        ("/mnt/c/home", None),
    ],
)
def test_network_file_systems_are_known_by_the_nearest_mount(
    path: str, kind_found: str | None, play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    play("linux")
    monkeypatch.setattr(folders, "read", always(MOUNTS))
    assert platform.is_network_file_system(Path(path)) == kind_found


def test_windows_drives_under_wsl_and_mac_shares_count_too(
    play: Play, told: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "read", always(MOUNTS))
    play("wsl")
    assert platform.is_network_file_system(Path("/mnt/c/home")) == "9p"
    play("macos")
    told["mount"] = (
        "/dev/disk3 on / (apfs, local)\n//me@box/My Share on /Volumes/My Share (smbfs)\n"
    )
    assert platform.is_network_file_system(Path("/Volumes/My Share/a")) == "smbfs"
    assert platform.is_network_file_system(Path("/Users/me")) is None


def test_the_other_end_of_a_socket_is_known(play: Play) -> None:
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert platform.peer_uid(left) == os.getuid()
        assert platform.peer_pid(left) == os.getpid()
        play("windows")
        assert platform.peer_uid(left) is None
        assert platform.peer_pid(left) is None


class MacSocket:
    """What macOS answers about the other end: LOCAL_PEERCRED and LOCAL_PEERPID."""

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        assert level == 0
        told = {1: struct.pack("2I", 0, 501), 2: struct.pack("i", 4711)}[option]
        assert len(told) == size
        return told


def test_the_other_end_is_asked_for_in_macos_own_way(play: Play) -> None:
    play("macos")
    end = cast("socket.socket", MacSocket())
    assert (platform.peer_uid(end), platform.peer_pid(end)) == (501, 4711)


@LINUX_ONLY
def test_who_listens_on_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert platform.pid_on_port(port) == os.getpid()
    assert platform.pid_on_port(port) is None


def test_who_listens_is_asked_of_other_systems_tools(play: Play, told: dict[str, str]) -> None:
    play("macos")
    told["lsof"] = "123\n124\n"
    assert platform.pid_on_port(80) == 123
    play("windows")
    told["netstat"] = (
        "Active Connections\n"
        "  TCP    127.0.0.1:8080   0.0.0.0:0   LISTENING   7\n"
        "  TCP    127.0.0.1:80     10.0.0.1:9  ESTABLISHED 8\n"
        "  TCP    [::1]:80         [::]:0      LISTENING   9\n"
    )
    assert platform.pid_on_port(80) == 9
    assert platform.pid_on_port(81) is None


def test_children_are_started_apart(play: Play) -> None:
    with subprocess.Popen(["sleep", "60"], **platform.detach_flags()) as child:
        assert platform.session_of(child.pid) == child.pid
        platform.end_group(child.pid, force=False)
        assert child.wait(10) == -signal.SIGTERM
    assert platform.session_of(child.pid) is None
    platform.end_group(child.pid, force=True)
    play("windows")
    assert set(platform.detach_flags()) == {"creationflags"}


def test_a_process_is_known_by_its_start(tmp_path: Path) -> None:
    odd = tmp_path / "a ) R 1 (b"
    odd.symlink_to("/bin/sleep")
    own = platform.process_started(os.getpid())
    assert own is not None
    assert own == platform.process_started(os.getpid())
    with subprocess.Popen([str(odd), "60"]) as child:
        try:
            assert (platform.process_started(child.pid) or 0) >= own
            assert platform.process_exists(child.pid)
        finally:
            child.kill()
    assert platform.process_started(child.pid) is None


@pytest.mark.parametrize("pid", [-1, 0, 2**40, 2**70])
def test_numbers_that_name_no_process_do_not_exist(pid: int) -> None:
    assert not platform.process_exists(pid)


def test_a_process_we_may_not_signal_exists(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(pid: int, number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    assert platform.process_exists(1)


def test_other_systems_tell_of_processes_by_their_tools(play: Play, told: dict[str, str]) -> None:
    play("macos")
    told["ps"] = "Sat Nov 21 01:02:03 2026\n"
    first = platform.process_started(1)
    told["ps"] = "Sat Nov 21 01:02:04 2026\n"
    assert platform.process_started(1) == (first or 0) + 1
    told["ps"] = "Z+\n"
    assert not platform.process_exists(os.getpid())
    told["ps"] = ""
    assert platform.process_started(1) is None
    play("windows")
    told["tasklist"] = '"python.exe","77","Console","1","9 K"\n'
    assert platform.process_exists(77)
    assert not platform.process_exists(7)


def test_the_boot_is_named(play: Play, told: dict[str, str]) -> None:
    assert platform.boot_id()
    assert platform.boot_id() == platform.boot_id()
    play("macos")
    told["sysctl"] = "A-B\n"
    assert platform.boot_id() == "A-B"
    play("windows")
    told["reg"] = "\nHKEY_LOCAL_MACHINE\\...\n    BootId    REG_DWORD    0x2a\n\n"
    assert platform.boot_id() == "0x2a"


def test_only_the_standard_library_is_imported() -> None:
    code = """if True:
        import sys
        before = set(sys.modules)
        import ao_core.platform
        print(*set(sys.modules) - before)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.decode().split()}
    assert loaded - set(sys.stdlib_module_names) == {"ao_core"}
    assert not loaded & {"subprocess", "socket", "asyncio", "hashlib", "shutil"}
