"""The desktop of whoever runs the engine: notify-send, terminal-notifier, osascript or a toast.

https://specifications.freedesktop.org/notification-spec/latest/
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import anyio
from pydantic import Field

from ao_core.errors import CommandFailed, NotInstalled, Unavailable
from ao_core.platform import default_env, system
from ao_core.plugin import Config, Detection, Manifest
from ao_core.process import run
from ao_core.slots.notifier import Note, Notifier
from ao_plugins._desktop import HINTS, PROGRAMS, TELL, USUAL, Backend, Manner, Told, group
from ao_plugins._plain import plain

_BODY = 1_000
_REMEMBERED = 500
_BUS = "DBUS_SESSION_BUS_ADDRESS"
_PASSED_ON = (
    _BUS, "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_RUNTIME_DIR", "XDG_CURRENT_DESKTOP",
)  # fmt: skip
_ABILITIES = frozenset({"--app-name", "--print-id", "--replace-id"})
_NO_DESKTOP = "no desktop session is there to show notes"
_ELSEWHERE = "Start the engine from the desktop, or have notes sent elsewhere with `webhook`."

Sound = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,59}$")]


class DesktopConfig(Config):
    """Settings for notes on the desktop."""

    backend: Literal["auto"] | Backend = "auto"
    sound: bool | Sound = False
    expire: Annotated[float, Field(gt=0, le=86_400)] | None = None
    deadline: Annotated[float, Field(gt=0, le=60)] = 10.0


class Desktop(Notifier[DesktopConfig]):
    """Shows notes on the desktop; the latest of a session takes the place of the one before."""

    manifest: ClassVar[Manifest] = Manifest(
        name="desktop",
        slot="notifier",
        description="Shows notes on the desktop of this machine",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = DesktopConfig

    @classmethod
    async def detect(cls, config: DesktopConfig, environment: Mapping[str, str]) -> Detection:
        """Whether there is a program to show notes with, and a desktop to show them on."""
        usual = _wanted(config)
        found = _found(usual, environment)
        if found is None:
            return Detection(found=False, detail=_missing(usual), hint=HINTS[usual[0]])
        if found[0] == "notify-send" and _bus(environment) is None:
            return Detection(found=False, detail=_NO_DESKTOP, hint=_ELSEWHERE)
        better = HINTS[usual[0]] if usual.index(found[0]) else None
        return Detection(found=True, detail=found[1], hint=better)

    async def open(self) -> None:
        """Find the program, once."""
        usual = _wanted(self.config)
        found = _found(usual, self.scope.environment)
        if found is None:
            raise NotInstalled(f"desktop: {_missing(usual)}", hint=HINTS[usual[0]])
        self._backend: Backend = found[0]
        self._program = found[1]
        self._turn = anyio.Lock()  # one after the other, so that the latest stays
        self._shown: dict[str, str] = {}
        self._abilities: frozenset[str] | None = None

    async def notify(self, note: Note) -> None:
        """Show one note."""
        told, about = plain(note, _BODY), group(note)
        async with self._turn:
            said = await self._run(TELL[self._backend](told, await self._manner(about)))
            if self._backend == "notify-send":
                self._remember(about, said)

    async def _manner(self, about: str) -> Manner:
        if self._abilities is None and self._backend == "notify-send":
            said = await self._run(Told(("--help",)))
            self._abilities = frozenset(one for one in _ABILITIES if one in said)
        abilities = self._abilities or frozenset()
        return Manner(self.config.sound, self.config.expire, abilities, self._shown.get(about))

    def _remember(self, about: str, said: str) -> None:
        """The number the desktop gave it, for the next to replace it."""
        self._shown.pop(about, None)
        if said.strip().isdecimal():
            self._shown[about] = said.strip()
        if len(self._shown) > _REMEMBERED:
            self._shown.pop(next(iter(self._shown)))

    async def _run(self, told: Told) -> str:
        stdin = None if told.stdin is None else told.stdin.encode()
        argv, deadline = (self._program, *told.args), self.config.deadline
        try:
            done = await run(argv, env=self._environment(), stdin=stdin, deadline=deadline)
            return done.check("showing a note").text
        except CommandFailed as exc:
            raise Unavailable(f"desktop: {exc.message}", hint=_ELSEWHERE) from exc

    def _environment(self) -> dict[str, str] | None:
        """What the program needs to find the desktop; a Windows program needs all there is."""
        given = self.scope.environment
        if self._backend == "toast":
            return None
        known = {name: given[name] for name in _PASSED_ON if name in given}
        if self._backend != "notify-send":
            return default_env(given) | known | {"LC_ALL": "en_US.UTF-8"}
        bus = _bus(given)
        if bus is None:  # asked without one, it would start a bus of its own, and nobody sees it
            raise Unavailable(f"desktop: {_NO_DESKTOP}", hint=_ELSEWHERE)
        return default_env(given) | known | {_BUS: bus, "LC_ALL": "C.UTF-8"}


def _wanted(config: DesktopConfig) -> tuple[Backend, ...]:
    return USUAL[system()] if config.backend == "auto" else (config.backend,)


def _found(
    usual: tuple[Backend, ...], environment: Mapping[str, str]
) -> tuple[Backend, str] | None:
    """The first that is installed, and its program."""
    path = default_env(environment)["PATH"]
    for backend in usual:
        for program in PROGRAMS[backend]:
            if where := shutil.which(program, path=path):
                return backend, where
    return None


def _missing(usual: tuple[Backend, ...]) -> str:
    return f"{' or '.join(usual)} is not installed"


def _bus(environment: Mapping[str, str]) -> str | None:
    """The address of the desktop's message bus; a login shell need not know it."""
    if environment.get(_BUS):
        return environment[_BUS]
    folder = environment.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    socket = Path(folder).absolute() / "bus"
    return f"unix:path={socket}" if socket.is_socket() else None
