"""Notes on the desktop: what each program is given, by one of its name that writes it down."""

import json
import re
import socket
import stat
import sys
from collections.abc import Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

import anyio
import pytest

from ao_core.errors import ConfigError, NotInstalled, PluginError, Unavailable
from ao_core.model.event import Priority
from ao_core.platform import System
from ao_core.plugin import Scope
from ao_core.registry import configure, detect
from ao_core.testing.notifier import NASTY, NOTE, FailingNotifierContract
from ao_plugins.notifier.desktop import Desktop, DesktopConfig

_PROGRAM = """\
#!{python} -IS
import json, os, sys, time
argv = sys.argv[1:]
if argv == ["--help"]:
    print({help!r})
    sys.exit()
given = dict(argv=argv, stdin=sys.stdin.read(), environment=dict(os.environ))
log = os.open({log!r}, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
os.write(log, (json.dumps(given) + chr(10)).encode())
print(7 + os.pread(log, 1 << 20, 0).count(b"{{\\"argv"))
time.sleep({sleep})
sys.exit({status})
"""
_NAMES = {"toast": "powershell.exe"}
_NEW = "--app-name=NAME --print-id --replace-id=ID"
SECRET = "hunter2hunter2"


class Programs:
    """A folder of programs that write down what they are given."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "programs"
        self.folder.mkdir()
        self._log = folder / "given"

    @property
    def given(self) -> list[dict[str, Any]]:
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        return [json.loads(line) for line in lines]

    def add(self, backend: str, help: str = _NEW, status: int = 0, sleep: int = 0) -> None:
        path = self.folder / _NAMES.get(backend, backend)
        path.write_text(
            _PROGRAM.format(
                python=sys.executable, help=help, log=str(self._log), sleep=sleep, status=status
            )
        )
        path.chmod(stat.S_IRWXU)

    def environment(self, **more: str) -> dict[str, str]:
        bus = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/nowhere"}
        return {"PATH": str(self.folder), "HOOK_TOKEN": SECRET, **bus, **more}


@pytest.fixture
def programs(tmp_path: Path) -> Programs:
    return Programs(tmp_path)


def desktop(programs: Programs, backend: str, **settings: object) -> Desktop:
    config = DesktopConfig.model_validate({"backend": backend} | settings)
    return Desktop(config, Scope(state=programs.folder, environment=programs.environment()))


class ProgramContract(FailingNotifierContract):
    """Whatever the program is."""

    backend: str

    @pytest.fixture(autouse=True)
    def installed(self, tmp_path: Path) -> None:
        self.programs = Programs(tmp_path)
        self.programs.add(self.backend)

    def make(self, scope: Scope) -> Desktop:
        return desktop(self.programs, self.backend, deadline=60)

    def make_unreachable(self, scope: Scope) -> Desktop:
        self.programs.add(self.backend, status=1)
        return self.make(scope)

    def received(self, scope: Scope) -> Sequence[str]:
        return [unescape("\n".join([*one["argv"], one["stdin"]])) for one in self.programs.given]


class TestNotifySend(ProgramContract):
    backend = "notify-send"


class TestTerminalNotifier(ProgramContract):
    backend = "terminal-notifier"


class TestOsascript(ProgramContract):
    backend = "osascript"


class TestToast(ProgramContract):
    backend = "toast"

    def received(self, scope: Scope) -> Sequence[str]:
        return [unescape(json.loads(one["stdin"])["xml"]) for one in self.programs.given]


async def test_notify_send_replaces_what_it_showed_of_the_session(programs: Programs) -> None:
    programs.add("notify-send")
    async with desktop(programs, "notify-send") as notifier:
        for session in ("app-1", "app-2", "app-1"):
            await notifier.notify(replace(NOTE, session=session, priority=Priority.URGENT))
    options = ["--urgency=critical", "--app-name=ao-mcp", "--print-id"]
    text = ["--", NOTE.title, f"{NOTE.body}\n{NOTE.url}"]
    assert [one["argv"] for one in programs.given] == [
        [*options, *text],
        [*options, *text],
        [*options, "--replace-id=8", *text],
    ]


async def test_an_old_notify_send_is_given_only_what_it_knows(programs: Programs) -> None:
    programs.add("notify-send", help="--urgency --expire-time --hint")
    async with desktop(programs, "notify-send") as notifier:
        for _ in range(2):
            await notifier.notify(NOTE)
    text = ["--", NOTE.title, f"{NOTE.body}\n{NOTE.url}"]
    assert [one["argv"] for one in programs.given] == [["--urgency=low", *text]] * 2


async def test_terminal_notifier_opens_the_address_and_replaces_by_session(
    programs: Programs,
) -> None:
    programs.add("terminal-notifier")
    async with desktop(programs, "terminal-notifier") as notifier:
        await notifier.notify(NOTE)
        await notifier.notify(replace(NOTE, session=None, url=None, body=""))
    title = ["-title", NOTE.title, "-group"]
    first, second = programs.given
    assert first["argv"] == [*title, "app-3", "-open", "https://example.com/app/3"]
    assert first["stdin"] == NOTE.body
    assert (second["argv"], second["stdin"]) == ([*title, "app"], NOTE.title)


@pytest.mark.parametrize("title", ["-help", "-ignoreDnD", "[x]", "(a, b)", "{a=b;}", '"x', "<0a>"])
async def test_a_title_is_not_taken_for_an_option_or_a_list(title: str, programs: Programs) -> None:
    programs.add("terminal-notifier")
    async with desktop(programs, "terminal-notifier") as notifier:
        await notifier.notify(replace(NOTE, title=title))
    assert programs.given[0]["argv"][:2] == ["-title", f"ao-mcp: {title}"]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "file:///etc/passwd", "https://x.example/ y", "x", "-execute"]
)
async def test_only_a_sound_address_is_opened(url: str, programs: Programs) -> None:
    programs.add("terminal-notifier")
    async with desktop(programs, "terminal-notifier") as notifier:
        await notifier.notify(replace(NOTE, url=url))
    assert "-open" not in programs.given[0]["argv"]


async def test_osascript_gets_text_as_arguments_to_a_script_that_is_always_the_same(
    programs: Programs,
) -> None:
    programs.add("osascript")
    hostile = '" & (do shell script "id") & "'
    async with desktop(programs, "osascript") as notifier:
        await notifier.notify(NOTE)
        await notifier.notify(replace(NOTE, title=hostile, body=f"-e {hostile}", url=None))
    first, second = programs.given
    assert first["argv"] == ["-", NOTE.title, f"{NOTE.body}\n{NOTE.url}", ""]
    assert second["argv"] == ["-", hostile, f"-e {hostile}", ""]
    assert first["stdin"] == second["stdin"]
    assert "on run argv" in first["stdin"]


async def test_no_text_is_on_the_command_line_of_powershell(programs: Programs) -> None:
    programs.add("toast")
    async with desktop(programs, "toast") as notifier:
        await notifier.notify(NOTE)
        await notifier.notify(replace(NOTE, title=NASTY, body=NASTY, session="'; calc; '"))
    first, second = programs.given
    assert first["argv"] == second["argv"]
    assert first["argv"][:4] == ["-NoLogo", "-NoProfile", "-NonInteractive", "-Command"]
    assert '"' not in first["argv"][4]  # which Windows would have to quote
    assert first["stdin"].isascii()


async def test_a_toast_is_sound_xml_whatever_the_text(programs: Programs) -> None:
    programs.add("toast")
    body = NASTY + "]]>\uffff\ufffe\x00\x1b]0;x\x07\"'"
    note = replace(NOTE, body=body, url="https://example.com/?a=1&b=2", priority=Priority.URGENT)
    async with desktop(programs, "toast", expire=60) as notifier:
        await notifier.notify(note)
    given = json.loads(programs.given[0]["stdin"])
    toast = ElementTree.fromstring(given["xml"])  # noqa: S314 - we wrote it
    texts = [text.text for text in toast.iter("text")]
    assert texts == [NOTE.title, NASTY + "]]>\ufffd\ufffd\"'"]
    assert toast.attrib == {
        "activationType": "protocol",
        "launch": "https://example.com/?a=1&b=2",
        "duration": "long",
    }
    assert (given["tag"], given["group"], given["expire"]) == ("app-3", "ao-mcp", 60)


@pytest.mark.parametrize(
    ("backend", "sound", "said"),
    [
        ("notify-send", True, "--hint=string:sound-name:message-new-instant"),
        ("notify-send", "bell", "--hint=string:sound-name:bell"),
        ("terminal-notifier", True, "-sound default"),
        ("terminal-notifier", "Glass", "-sound Glass"),
        ("osascript", True, " default"),
        ("osascript", "Glass", " Glass"),
        ("toast", True, 'src=\\"ms-winsoundevent:Notification.Default\\"'),
        ("toast", "IM", 'src=\\"ms-winsoundevent:Notification.IM\\"'),
        ("toast", False, 'silent=\\"true\\"'),
    ],
)
async def test_sound_is_as_it_is_set(
    backend: str, sound: bool | str, said: str, programs: Programs
) -> None:
    programs.add(backend)
    async with desktop(programs, backend, sound=sound) as notifier:
        await notifier.notify(NOTE)
    (one,) = programs.given
    assert said in " ".join(one["argv"]) + one["stdin"]


@pytest.mark.parametrize("sound", ["-x", "a;b", 'a"b', "", "x" * 99, "../x"])
def test_a_sound_is_a_plain_name(sound: str) -> None:
    with pytest.raises(ConfigError):
        configure(Desktop, {"sound": sound})


@pytest.mark.parametrize("backend", ["notify-send", "terminal-notifier", "osascript"])
async def test_a_program_gets_no_secrets_of_the_environment(
    backend: str, programs: Programs
) -> None:
    programs.add(backend)
    async with desktop(programs, backend) as notifier:
        await notifier.notify(NOTE)
    environment = programs.given[0]["environment"]
    assert SECRET not in environment.values()
    assert environment["DBUS_SESSION_BUS_ADDRESS"] == "unix:path=/nowhere"
    assert "UTF-8" in environment["LC_ALL"]


async def test_secrets_and_escapes_in_a_note_are_not_shown(programs: Programs) -> None:
    programs.add("osascript")
    token = "ghp_" + "a1" * 18
    async with desktop(programs, "osascript") as notifier:
        await notifier.notify(replace(NOTE, title="a\x1b[2J\nb", body=f"{token}\u202e", url=None))
    assert programs.given[0]["argv"][1:3] == ["a b", "[redacted]"]


async def test_without_a_desktop_nothing_is_run(programs: Programs, tmp_path: Path) -> None:
    programs.add("notify-send")
    alone = {"PATH": str(programs.folder), "XDG_RUNTIME_DIR": str(tmp_path)}
    config = DesktopConfig(backend="notify-send")
    async with Desktop(config, Scope(state=tmp_path, environment=alone)) as notifier:
        with pytest.raises(Unavailable, match="no desktop") as caught:
            await notifier.notify(NOTE)
    assert "webhook" in str(caught.value.hint)
    assert programs.given == []
    assert not (await detect(Desktop, alone, config)).found


async def test_the_bus_is_found_where_sessions_have_it(
    programs: Programs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs.add("notify-send")
    monkeypatch.chdir(tmp_path)  # a socket's address has to be short
    usual = {"PATH": str(programs.folder), "XDG_RUNTIME_DIR": str(tmp_path)}
    with socket.socket(socket.AF_UNIX) as bus:
        bus.bind("bus")
        config = DesktopConfig(backend="notify-send")
        assert (await detect(Desktop, usual, config)).found
        async with Desktop(config, Scope(state=tmp_path, environment=usual)) as notifier:
            await notifier.notify(NOTE)
    told = programs.given[0]["environment"]["DBUS_SESSION_BUS_ADDRESS"]
    assert told == f"unix:path={tmp_path / 'bus'}"


async def test_a_program_that_hangs_is_given_up(programs: Programs) -> None:
    programs.add("osascript", sleep=60)
    async with desktop(programs, "osascript", deadline=0.2) as notifier:
        with anyio.fail_after(10), pytest.raises(Unavailable, match=r"within 0\.2 s"):
            await notifier.notify(NOTE)


async def test_a_program_that_went_away_is_told_of(programs: Programs) -> None:
    programs.add("osascript")
    async with desktop(programs, "osascript") as notifier:
        (programs.folder / "osascript").unlink()
        with pytest.raises(PluginError) as caught:
            await notifier.notify(NOTE)
    assert isinstance(caught.value, NotInstalled)


async def test_without_its_program_it_does_not_open(programs: Programs) -> None:
    with pytest.raises(NotInstalled) as caught:
        async with desktop(programs, "notify-send"):
            pytest.fail("it opened")
    assert "libnotify-bin" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("on", "there", "chosen", "hint"),
    [
        ("linux", ["notify-send", "osascript"], "notify-send", None),
        ("linux", [], None, "libnotify"),
        ("macos", ["terminal-notifier", "osascript"], "terminal-notifier", None),
        ("macos", ["osascript", "notify-send"], "osascript", "brew install terminal-notifier"),
        ("macos", [], None, "brew install terminal-notifier"),
        ("windows", ["toast"], "powershell.exe", None),
        ("wsl", ["toast", "notify-send"], "powershell.exe", None),
        ("wsl", ["notify-send"], "notify-send", "powershell.exe"),
        ("windows", ["notify-send"], None, "powershell.exe"),
    ],
)
async def test_each_system_has_its_own_program(
    on: System,
    there: list[str],
    chosen: str | None,
    hint: str | None,
    programs: Programs,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ao_plugins.notifier.desktop.system", lambda: on)
    for backend in there:
        programs.add(backend)
    found = await detect(Desktop, programs.environment())
    assert found.found == (chosen is not None)
    assert chosen is None or found.detail == str(programs.folder / chosen)
    assert (found.hint is None) == (hint is None)
    assert re.search(hint or "", found.hint or "")


async def test_what_is_forgotten_is_the_oldest(programs: Programs) -> None:
    programs.add("notify-send")
    notifier = desktop(programs, "notify-send")
    async with notifier:
        remember = cast("Any", notifier)._remember
        for n in range(600):
            remember(f"app-{n}", f"{n + 1}\n")
        await notifier.notify(replace(NOTE, session="app-0"))
        await notifier.notify(replace(NOTE, session="app-599"))
    replaced = ["--replace-id=600" in one["argv"] for one in programs.given]
    assert replaced == [False, True]
