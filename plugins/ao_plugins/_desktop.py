"""How each program is told to show a note: arguments and input, and nothing is run here.

No text of a note becomes part of a script: it is an argument, or the program's input.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from typing import Literal, TypeAlias

from ao_core.model.event import Priority
from ao_core.platform import System
from ao_core.slots.notifier import Note

Backend: TypeAlias = Literal["notify-send", "terminal-notifier", "osascript", "toast"]

APP = "ao-mcp"
PROGRAMS: dict[Backend, tuple[str, ...]] = {
    "notify-send": ("notify-send",),
    "terminal-notifier": ("terminal-notifier",),
    "osascript": ("osascript",),
    "toast": ("powershell.exe", "powershell"),
}
USUAL: dict[System, tuple[Backend, ...]] = {
    "linux": ("notify-send",),
    "macos": ("terminal-notifier", "osascript"),
    "windows": ("toast",),
    "wsl": ("toast", "notify-send"),
}
HINTS: dict[Backend, str] = {
    "notify-send": "Install notify-send: libnotify-bin on Debian and Ubuntu, else libnotify.",
    "terminal-notifier": "brew install terminal-notifier",
    "osascript": "It is part of macOS.",
    "toast": "It takes powershell.exe, which is part of Windows.",
}

_URGENCY = {Priority.URGENT: "critical", Priority.INFO: "low"}
_NOT_XML = re.compile("[\ufffe\uffff]")
_OSASCRIPT = """\
on run argv
    set {theTitle, theBody, theSound} to argv
    if theSound is "" then
        display notification theBody with title theTitle
    else
        display notification theBody with title theTitle sound name theSound
    end if
end run
"""
# Toasts need an application that Windows knows: its own PowerShell is one everywhere.
_TOAST = r"""
$ErrorActionPreference = 'Stop'
$given = [Console]::In.ReadToEnd() | ConvertFrom-Json
$null = [Windows.UI.Notifications.ToastNotificationManager,
    Windows.UI.Notifications, ContentType = WindowsRuntime]
$null = [Windows.Data.Xml.Dom.XmlDocument,
    Windows.Data.Xml.Dom.XmlDocument, ContentType = WindowsRuntime]
$content = New-Object Windows.Data.Xml.Dom.XmlDocument
$content.LoadXml($given.xml)
$toast = New-Object Windows.UI.Notifications.ToastNotification $content
$toast.Group = $given.group
$toast.Tag = $given.tag
if ($given.expire) { $toast.ExpirationTime = [DateTimeOffset]::Now.AddSeconds($given.expire) }
$id = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\WindowsPowerShell\v1.0\powershell.exe'
[Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier($id).Show($toast)
"""


@dataclass(frozen=True, slots=True)
class Manner:
    """How notes are to be shown; `abilities` are the options its notify-send has."""

    sound: bool | str = False
    expire: float | None = None
    abilities: frozenset[str] = frozenset()
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """A program's arguments, without its own name, and its input."""

    args: tuple[str, ...]
    stdin: str | None = None


def group(note: Note) -> str:
    """What a note is about: a later one about the same takes its place."""
    return note.session or note.project or APP


def notify_send(note: Note, manner: Manner) -> Told:
    """Linux, and whatever else speaks the desktop notifications of freedesktop.org."""
    options = [f"--urgency={_URGENCY.get(note.priority, 'normal')}"]
    if manner.expire is not None:
        options.append(f"--expire-time={round(manner.expire * 1000)}")
    if manner.sound:
        name = "message-new-instant" if manner.sound is True else manner.sound
        options.append(f"--hint=string:sound-name:{name}")
    if "--app-name" in manner.abilities:
        options.append(f"--app-name={APP}")
    if "--print-id" in manner.abilities:
        options.append("--print-id")
    if "--replace-id" in manner.abilities and manner.replaces:
        options.append(f"--replace-id={manner.replaces}")
    # the body is markup to the desktop, and before that notify-send reads \n and the like in it
    body = escape(_with_address(note), quote=False).replace("\\", "\\\\")
    return Told((*options, "--", note.title, body))


def terminal_notifier(note: Note, manner: Manner) -> Told:
    """macOS, with a click that leads somewhere; the body goes by input, where it is only text.

    A title may be taken for an option or for a list, if it begins like one.
    """
    title = note.title if note.title[:1].isalnum() else f"{APP}: {note.title}"
    args = ["-title", title, "-group", group(note)]
    args += ["-open", note.url] if note.url else []
    args += ["-sound", _sound(manner)] if manner.sound else []
    return Told(tuple(args), note.body or note.title)


def osascript(note: Note, manner: Manner) -> Told:
    """macOS as it comes: the script is its input, what it shows are arguments to that."""
    return Told(("-", note.title, _with_address(note), _sound(manner)), _OSASCRIPT)


def toast(note: Note, manner: Manner) -> Told:
    """Windows, through the PowerShell that comes with it."""
    given = {"xml": _toast(note, manner), "tag": group(note)[:64], "group": APP}
    options = ("-NoLogo", "-NoProfile", "-NonInteractive", "-Command", _TOAST)
    return Told(options, json.dumps({**given, "expire": manner.expire}))


TELL: dict[Backend, Callable[[Note, Manner], Told]] = {
    "notify-send": notify_send,
    "terminal-notifier": terminal_notifier,
    "osascript": osascript,
    "toast": toast,
}


def _toast(note: Note, manner: Manner) -> str:
    click = f' activationType="protocol" launch="{escape(note.url)}"' if note.url else ""
    stay = ' duration="long"' if note.priority is Priority.URGENT else ""
    name = "Default" if manner.sound is True else manner.sound
    source = f'src="ms-winsoundevent:Notification.{name}"' if manner.sound else 'silent="true"'
    text = "".join(f"<text>{escape(part, quote=False)}</text>" for part in (note.title, note.body))
    shown = f'<visual><binding template="ToastGeneric">{text}</binding></visual>'
    return _NOT_XML.sub("\ufffd", f"<toast{click}{stay}>{shown}<audio {source}/></toast>")


def _with_address(note: Note) -> str:
    return f"{note.body}\n{note.url}".lstrip() if note.url else note.body


def _sound(manner: Manner) -> str:
    """A sound as macOS calls it."""
    return "default" if manner.sound is True else manner.sound or ""
