"""Notes as they may leave: text of agents and strangers, with nothing hidden, secret or endless."""

import re
from dataclasses import replace

from ao_core.redact import scrub, visible
from ao_core.slots.notifier import Note

_TITLE = 200
_URL = re.compile(r"https?://[^\s\"'<>\\^`{|}]{1,2000}")


def plain(note: Note, body: int) -> Note:
    """The note with a title of one line, at most `body` characters of text, and a sound address."""
    title = " ".join(_shown(note.title, _TITLE).split())
    url = note.url if note.url and _URL.fullmatch(note.url) else None
    return replace(note, title=title or note.kind, body=_shown(note.body, body), url=url)


def _shown(text: str, limit: int) -> str:
    """What is hidden goes first: it could keep a secret from being recognised."""
    return visible(scrub(visible(text, len(text))), limit)
