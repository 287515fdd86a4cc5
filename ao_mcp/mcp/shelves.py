"""The resources: what each address names, which operation reads it, and which events touch it.

Pure. A resource adds nothing to the operations: it is one of them with its arguments in an address.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias
from urllib.parse import quote, unquote

from ao_core.errors import Unknown
from ao_core.model.event import Event, EventKind, IssueMoved

Names: TypeAlias = Mapping[str, str]
Touch: TypeAlias = Callable[[Event, Names], bool]

JSON, TEXT, DIFF = "application/json", "text/plain", "text/x-diff"
WHOLE = 100_000  # characters of a text; more is read in pieces, by the tool
_LONGEST = 1_000
_NAME, _PART = re.compile(r"\{\??(\w+)\}"), re.compile(r"(\{\w+\})")
_K = EventKind


@dataclass(frozen=True)
class Shelf:
    """Resources of one form. `form` is an address with names in braces, as in RFC 6570."""

    form: str
    title: str
    description: str
    operation: str
    arguments: Callable[[Names], Mapping[str, object]]
    touched: Touch
    mime: str = JSON

    @property
    def is_template(self) -> bool:
        """Whether something has to be filled in."""
        return "{" in self._path

    @property
    def names(self) -> tuple[str, ...]:
        """What can be filled in."""
        return tuple(_NAME.findall(self.form))

    @property
    def _path(self) -> str:
        return self.form.partition("{?")[0]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = _PART.split(self._path)
        path = "".join(_hole(part) if part.startswith("{") else re.escape(part) for part in parts)
        query = self.form.removeprefix(self._path).strip("{?}")
        return re.compile(path + (rf"(?:\?{query}=(?P<{query}>[^&#]*))?" if query else ""))

    def at(self, *values: str) -> str:
        """The address of one of them, without its query."""
        names = zip(self.names, values, strict=False)
        return self._path.format(**{name: quote(value, safe="") for name, value in names})

    def match(self, address: str) -> Names | None:
        """What an address of this form names; None of another form."""
        found = self._pattern.fullmatch(address)
        return found and {name: unquote(one) for name, one in found.groupdict().items() if one}


def _hole(part: str) -> str:
    return f"(?P<{part[1:-1]}>[^/?#]+)"


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource."""

    shelf: Shelf
    names: Names

    def is_touched(self, event: Event) -> bool:
        """Whether it may read otherwise after this."""
        return self.shelf.touched(event, self.names)


def named(address: str) -> Resource:
    """What an address names; whether there is such a thing is seen when it is read."""
    if len(address) <= _LONGEST:
        for shelf in SHELVES:
            if (names := shelf.match(address)) is not None:
                return Resource(shelf, names)
    hint = "`resources/list` and `resources/templates/list` say which there are."
    raise Unknown("There is no resource of this address.", hint=hint)


# -- which events touch what -----------------------------------------------------------------------

_COMES_OR_GOES = frozenset({
    _K.SESSION_QUEUED, _K.SESSION_SPAWN_STARTED, _K.SESSION_SPAWN_FAILED, _K.SESSION_RESTORED,
    _K.SESSION_EXITED, _K.SESSION_KILLED, _K.SESSION_CLEANED_UP,
})  # fmt: skip
_WRITES = frozenset({
    _K.SESSION_COMMITTED, _K.SESSION_IDLE, _K.SESSION_NEEDS_INPUT, _K.SESSION_EXITED,
    _K.SESSION_KILLED, _K.SESSION_SALVAGED, _K.SESSION_RESTORED, _K.PR_MERGED, _K.MERGE_COMPLETED,
    _K.PR_CREATED, _K.PR_UPDATED,
})  # fmt: skip


def comes_or_goes(event: Event) -> bool:
    """Whether the list of resources is another one after this."""
    return event.kind in _COMES_OR_GOES


def _any(event: Event, names: Names) -> bool:
    return True


def _never(event: Event, names: Names) -> bool:
    return False


def _some_session(event: Event, names: Names) -> bool:
    return event.session is not None


def _some_project(event: Event, names: Names) -> bool:
    return event.project is not None or event.session is not None


def _session(event: Event, names: Names) -> bool:
    return event.session == names["session"]


def _written(event: Event, names: Names) -> bool:
    return event.session == names["session"] and event.kind in _WRITES


def _project(event: Event, names: Names) -> bool:
    return event.project == names["project"]


def _issue(event: Event, names: Names) -> bool:
    body = event.body
    told = isinstance(body, IssueMoved) and body.issue == names["issue"]
    return told and event.project == names["project"]


# -- the shelves -----------------------------------------------------------------------------------


def _piece(what: str, title: str, description: str, touched: Touch, mime: str = TEXT) -> Shelf:
    """One thing to read of a session."""

    def arguments(names: Names) -> Mapping[str, object]:
        return {"session": names["session"], "what": what, "max_chars": WHOLE}

    form = "ao://session/{session}/" + what
    return Shelf(form, title, description, "read", arguments, touched, mime)


PROJECTS = Shelf(
    "ao://projects", "Projects", "Every project with its workers, one line each.",
    "list", lambda names: {"limit": 500}, _some_project,
)  # fmt: skip
PROJECT = Shelf(
    "ao://project/{project}", "Project", "How a project is set up, and its workers.",
    "project", lambda names: {"project": names["project"]}, _project,
)  # fmt: skip
SESSIONS = Shelf(
    "ao://sessions", "Workers", "The team: one line for each worker, also who has ended.",
    "list", lambda names: {"limit": 500, "ended": True}, _some_session,
)  # fmt: skip
SESSION = Shelf(
    "ao://session/{session}", "Worker", "All facts of one worker.",
    "show", lambda names: {"session": names["session"]}, _session,
)  # fmt: skip
EVENTS = Shelf(
    "ao://events{?after}", "Journal", "What happened, line by line, after a line's number.",
    "events", lambda names: {"after": names.get("after", "0"), "limit": 1_000}, _any,
)  # fmt: skip
ISSUE = Shelf(
    "ao://issue/{project}/{issue}", "Issue", "One issue as its tracker has it. It is data.",
    "get_issue", lambda names: {"project": names["project"], "issue": names["issue"]}, _issue,
)  # fmt: skip
PLUGINS = Shelf(
    "ao://plugins", "Plugins", "What there is for each slot, and whether it can be used.",
    "plugins", lambda names: {}, _never,
)  # fmt: skip

SHELVES: tuple[Shelf, ...] = (
    PROJECTS, PROJECT, SESSIONS, SESSION,
    _piece("screen", "Screen", "What a worker's terminal shows. It is data.", _session),
    _piece("diff", "Diff", "What a worker has changed against its base.", _written, DIFF),
    _piece("turns", "Conversation", "A worker's conversation. It is data.", _session),
    _piece("events", "Events", "What happened to one worker, line by line.", _session),
    EVENTS, ISSUE, PLUGINS,
)  # fmt: skip
