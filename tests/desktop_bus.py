"""A message bus of its own, and on it a notification service that writes down what it is told."""

import json
import os
import shutil
import subprocess
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

_PYTHONS = ("/usr/bin/python3", "python3")
_SERVICE = """
import itertools, json, sys
from gi.repository import Gio, GLib

METHODS = '''<node><interface name="org.freedesktop.Notifications">
  <method name="Notify">
    <arg direction="in" type="s"/><arg direction="in" type="u"/><arg direction="in" type="s"/>
    <arg direction="in" type="s"/><arg direction="in" type="s"/><arg direction="in" type="as"/>
    <arg direction="in" type="a{sv}"/><arg direction="in" type="i"/>
    <arg direction="out" type="u"/>
  </method>
  <method name="GetCapabilities"><arg direction="out" type="as"/></method>
  <method name="GetServerInformation">
    <arg direction="out" type="s"/><arg direction="out" type="s"/>
    <arg direction="out" type="s"/><arg direction="out" type="s"/>
  </method>
</interface></node>'''
NAMES = ("app", "replaces", "icon", "title", "body", "actions", "hints", "expire")
numbers = itertools.count(1)


def told(connection, sender, path, interface, method, given, call):
    if method == "GetCapabilities":
        call.return_value(GLib.Variant("(as)", (["body", "body-markup"],)))
    elif method == "GetServerInformation":
        call.return_value(GLib.Variant("(ssss)", ("test", "test", "1", "1.2")))
    else:
        note = dict(zip(NAMES, given.unpack()))
        note["id"] = note["replaces"] or next(numbers)
        with open(sys.argv[1], "a") as log:
            log.write(json.dumps(note) + chr(10))
        call.return_value(GLib.Variant("(u)", (note["id"],)))


def connected(connection, name):
    node = Gio.DBusNodeInfo.new_for_xml(METHODS)
    connection.register_object("/org/freedesktop/Notifications", node.interfaces[0], told)


Gio.bus_own_name(
    Gio.BusType.SESSION, "org.freedesktop.Notifications", Gio.BusNameOwnerFlags.NONE,
    connected, lambda connection, name: print("ready", flush=True), lambda *_: sys.exit(1),
)
GLib.MainLoop().run()
"""


class Desktop:
    """What has been shown on it, and the environment of its programs."""

    def __init__(self, log: Path, environment: Mapping[str, str]) -> None:
        self._log, self.environment = log, environment

    @property
    def shown(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    def clear(self) -> None:
        self._log.write_text("")


def missing(*programs: str) -> str | None:
    """Why there can be no such desktop here."""
    absent = [one for one in ("notify-send", "dbus-daemon", *programs) if not shutil.which(one)]
    return f"{', '.join(absent)} is not installed" if absent else None


def speaks_dbus() -> str | None:
    """A Python that the service can run in."""
    for python in filter(None, map(shutil.which, _PYTHONS)):
        if subprocess.run([python, "-c", "import gi"], capture_output=True).returncode == 0:
            return python
    return None


@contextmanager
def bus(folder: Path, more: Mapping[str, str] | None = None) -> Generator[Mapping[str, str]]:
    """The environment of programs on a bus of their own; `more` is for what the bus starts."""
    plain = {"PATH": os.environ["PATH"], "HOME": str(folder), **(more or {})}
    argv = ["dbus-daemon", "--session", "--nofork", f"--address=unix:path={folder / 'bus'}"]
    with _running([*argv, "--print-address=1"], plain) as address:
        yield {**plain, "DBUS_SESSION_BUS_ADDRESS": address}


@contextmanager
def desktop(folder: Path, python: str) -> Generator[Desktop]:
    """A bus with the service on it."""
    log = folder / "shown"
    log.write_text("")
    with ExitStack() as stack:
        environment = stack.enter_context(bus(folder))
        stack.enter_context(_running([python, "-c", _SERVICE, str(log)], environment))
        yield Desktop(log, environment)


@contextmanager
def display() -> Generator[Mapping[str, str]]:
    """A screen that nobody sees."""
    with _running(["Xvfb", "-displayfd", "1", "-screen", "0", "640x480x24"], os.environ) as number:
        yield {"DISPLAY": f":{number}"}


@contextmanager
def _running(argv: list[str], environment: Mapping[str, str]) -> Generator[str]:
    """A program that has said one line, which it does when it is ready."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(
        argv, env=environment, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, text=True
    )
    with process:
        try:
            assert process.stdout
            said = process.stdout.readline().strip()
            assert said, f"{argv[0]} did not start"
            yield said
        finally:
            process.terminate()
