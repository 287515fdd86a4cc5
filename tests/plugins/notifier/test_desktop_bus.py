"""Notes on a real message bus, by the real notify-send: what the desktop is told."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest

import desktop_bus
from ao_core.model.event import Priority
from ao_core.plugin import Scope
from ao_core.testing.notifier import NASTY, NOTE, NotifierContract
from ao_plugins.notifier.desktop import Desktop, DesktopConfig

_PYTHON = desktop_bus.speaks_dbus()
_NO_BUS = desktop_bus.missing() or (None if _PYTHON else "no Python here has gi (python3-gi)")
_NO_SCREEN = desktop_bus.missing("dunst", "Xvfb", "dbus-send")

on_the_bus = pytest.mark.skipif(_NO_BUS is not None, reason=str(_NO_BUS))
on_a_screen = pytest.mark.skipif(_NO_SCREEN is not None, reason=str(_NO_SCREEN))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[desktop_bus.Desktop]:
    folder = tmp_path_factory.mktemp("bus")
    with desktop_bus.desktop(folder, _PYTHON or "") as service:
        yield service


@pytest.fixture
def shown(service: desktop_bus.Desktop) -> desktop_bus.Desktop:
    service.clear()
    return service


def notifier(environment: Mapping[str, str], state: Path, **settings: object) -> Desktop:
    config = DesktopConfig.model_validate({"backend": "notify-send", "deadline": 30} | settings)
    return Desktop(config, Scope(state=state, environment=environment))


@on_the_bus
class TestOnTheBus(NotifierContract):
    @pytest.fixture(autouse=True)
    def listening(self, shown: desktop_bus.Desktop) -> None:
        self.service = shown

    def make(self, scope: Scope) -> Desktop:
        return notifier(self.service.environment, scope.state)

    def received(self, scope: Scope) -> Sequence[str]:
        return [f"{one['title']} {unescape(one['body'])}" for one in self.service.shown]


@on_the_bus
async def test_the_desktop_is_told_who_speaks_and_how_urgent_it_is(
    shown: desktop_bus.Desktop, tmp_path: Path
) -> None:
    async with notifier(shown.environment, tmp_path) as desktop:
        for priority in Priority:
            await desktop.notify(replace(NOTE, priority=priority))
    assert {one["app"] for one in shown.shown} == {"ao-mcp"}
    assert [one["hints"]["urgency"] for one in shown.shown] == [2, 1, 1, 0]
    assert {(one["expire"], "sound-name" in one["hints"]) for one in shown.shown} == {(-1, False)}


@on_the_bus
async def test_a_note_takes_the_place_of_the_one_before_about_the_same_session(
    shown: desktop_bus.Desktop, tmp_path: Path
) -> None:
    async with notifier(shown.environment, tmp_path) as desktop:
        for session in ("app-1", "app-2", "app-1", None, "app-1"):
            await desktop.notify(replace(NOTE, session=session))
    first, second, third, of_project, last = shown.shown
    assert [one["replaces"] for one in (first, second, of_project)] == [0, 0, 0]
    assert third["replaces"] == last["replaces"] == first["id"]


@on_the_bus
async def test_no_text_is_taken_for_markup_or_escapes_or_options(
    shown: desktop_bus.Desktop, tmp_path: Path
) -> None:
    body = NASTY + r" \n \\ \101 <a href='https://example.com'>&lt;</a>"
    async with notifier(shown.environment, tmp_path) as desktop:
        await desktop.notify(replace(NOTE, title=r"--help <i>a\tb</i>", body=body, url=None))
    (one,) = shown.shown
    assert one["title"] == r"--help <i>a\tb</i>"
    assert unescape(one["body"]) == body
    assert not set("<>") & set(one["body"])


@on_the_bus
async def test_sound_and_time_are_as_they_are_set(
    shown: desktop_bus.Desktop, tmp_path: Path
) -> None:
    async with notifier(shown.environment, tmp_path, sound=True, expire=2.5) as desktop:
        await desktop.notify(NOTE)
    async with notifier(shown.environment, tmp_path, sound="bell") as desktop:
        await desktop.notify(NOTE)
    assert [one["hints"]["sound-name"] for one in shown.shown] == ["message-new-instant", "bell"]
    assert [one["expire"] for one in shown.shown] == [2500, -1]


@on_a_screen
async def test_on_a_real_desktop_each_session_has_one_note(tmp_path: Path) -> None:
    with desktop_bus.display() as screen, desktop_bus.bus(tmp_path, screen) as environment:
        async with notifier(environment, tmp_path) as desktop:
            for session in ("app-1", "app-2", "app-1", "app-1"):
                await desktop.notify(replace(NOTE, session=session, body=NASTY))
        assert _displayed(environment) == 2


def _displayed(environment: Mapping[str, str]) -> int:
    argv = [
        "dbus-send",
        "--session",
        "--print-reply=literal",
        "--dest=org.freedesktop.Notifications",
    ]
    argv += ["/org/freedesktop/Notifications", "org.freedesktop.DBus.Properties.Get"]
    argv += ["string:org.dunstproject.cmd0", "string:displayedLength"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])
