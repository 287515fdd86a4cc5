"""Sessions as files for people: `<home>/<project's folder>/sessions/<session>`, ended ones in
`archive/` there, a `name=value` a line.

They are written after the commit and never read as truth: one that is missing, stale or was edited
is written anew when the store is opened. One that cannot be written is tried again later.
"""

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

from ao_core.errors import AoError, ConfigError, StoreUnavailable
from ao_core.files import is_draft, private_dir, write_atomic
from ao_core.ids import session_id
from ao_core.model.attention import attention
from ao_core.model.session import Session, activity_of, derive_status, is_terminal
from ao_core.store.codec import decode_record
from ao_core.store.line import Edit
from ao_core.store.records import PROJECT, SESSION

_log = logging.getLogger(__name__)
_FOLDER = re.compile(r"[0-9a-f]{12}-[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HEADING = "# for reading only: the journal is what counts, and this file is written from it\n"


def card(session: Session) -> str:
    """What a session's file says."""
    told = ((name, value) for name, value in _facts(session) if value not in (None, "", ()))
    return _HEADING + "".join(f"{name}={_one_line(value)}\n" for name, value in told)


def _facts(session: Session) -> Iterator[tuple[str, object]]:
    who, why = attention(session)
    yield from (("id", session.id), ("project", session.project), ("title", session.title))
    yield from (("status", derive_status(session)), ("attention", who), ("because", why))
    yield from (("state", session.facts.state), ("reason", session.facts.reason))
    yield from (("since", session.facts.since.isoformat()), ("note", session.facts.note))
    yield from (("activity", activity_of(session)), ("question", session.question))
    yield from (("report", session.report), ("issue", session.issue), ("prompt", session.prompt))
    yield from (("agent", session.agent), ("model", session.model), ("drive", session.drive))
    yield from (("permissions", session.permissions), ("runtime", session.runtime))
    yield from (("workspace", session.workspace), ("path", session.path))
    yield from (("branch", session.branch), ("base", session.base))
    yield from (("base_commit", session.base_commit), ("pr", session.pr.number))
    yield from (("pr_url", session.pr.url), ("pr_state", session.pr.state))
    yield from (("pr_reason", session.pr.reason), ("merged_as", session.merged_as))
    yield from (("salvage", " ".join(session.salvage)), ("conversation", session.native_id))
    yield ("created_at", session.created_at.isoformat())


def _one_line(value: object) -> str:
    """Nothing that breaks a line or that a terminal would obey."""
    return "".join(map(_visible, str(value)))


def _visible(char: str) -> str:
    plain = char.isprintable() and char != "\\"
    return char if plain else char.encode("unicode_escape").decode()


class Projections:
    """The session files of a home. Used by one thread at a time."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._bodies: dict[str, str] = {}
        self._dropped: dict[str, str] = {}
        self._folders: dict[str, str] = {}
        self._shown: dict[str, tuple[Path, int]] = {}
        self._due: set[str] = set()
        self._troubled = False

    @property
    def owing(self) -> bool:
        """Whether something could not be written yet."""
        return bool(self._due)

    def learn(self, edits: Iterable[Edit]) -> None:
        """Take in what was committed; `settle` writes it."""
        for edit in edits:
            if edit.kind == SESSION.name:
                self._learn_session(edit)
            elif edit.kind == PROJECT.name and edit.body is not None:
                self._folders[edit.id] = edit.body
                self._due.update(self._bodies)

    def _learn_session(self, edit: Edit) -> None:
        if edit.body is not None:
            self._bodies[edit.id] = edit.body
        elif last := self._bodies.pop(edit.id, None):
            self._dropped[edit.id] = last  # it says where the file may stand
        self._due.add(edit.id)

    def settle(self) -> None:
        """Write all that is due, or say once what stands in the way."""
        for id in sorted(self._due):
            try:
                self._settle(id)
            except (OSError, ConfigError, StoreUnavailable) as exc:
                self._complain(id, str(exc))
                return
            except AoError as exc:  # nothing that another attempt would mend
                self._complain(id, exc.message)
            self._due.discard(id)
        self._troubled = False

    def sweep(self) -> None:
        """Forget what is believed to be in the files, and remove those of no session."""
        self._shown.clear()
        self._due.update(self._bodies)
        for body in self._folders.values():
            with suppress(OSError, AoError):  # `settle` tells of it
                self._sweep(self._sessions(body))

    def _sweep(self, folder: Path) -> None:
        with ExitStack() as each:
            for path in [*folder.glob("*"), *folder.glob("archive/*")]:
                if path.name not in self._bodies and _is_ours(path):
                    each.callback(path.unlink, missing_ok=True)

    def clear(self) -> None:
        """Remove every file: another store is in charge."""
        self._bodies.clear()
        self._shown.clear()
        with ExitStack() as each:  # one that cannot be removed keeps none of the others there
            for body in self._folders.values():
                each.callback(self._sweep, self._sessions(body))

    def _settle(self, id: str) -> None:
        session_id(id)
        body = self._bodies.get(id) or self._dropped.get(id)
        if body is None or not self._home.is_dir():
            return
        session = decode_record(SESSION, body)
        if session.project in self._folders:
            folder = self._sessions(self._folders[session.project])
            self._place(session, folder / id, folder / "archive" / id)

    def _place(self, session: Session, live: Path, ended: Path) -> None:
        if session.id in self._bodies:
            place, other = (ended, live) if is_terminal(session) else (live, ended)
            self._show(session.id, place, card(session))
            other.unlink(missing_ok=True)
        else:  # one that was never shown may stand there from before
            live.unlink(missing_ok=True)
            ended.unlink(missing_ok=True)
            self._shown.pop(session.id, None)
            self._dropped.pop(session.id, None)

    def _show(self, id: str, path: Path, text: str) -> None:
        now = (path, hash(text))
        if self._shown.get(id) == now:
            return
        if not _says(path, text):
            _write(path, text)
        self._shown[id] = now

    def _sessions(self, project: str) -> Path:
        folder = decode_record(PROJECT, project).folder
        if not _FOLDER.fullmatch(folder):
            raise AoError("a project's folder has no proper name")
        return self._home / folder / "sessions"

    def _complain(self, id: str, why: str) -> None:
        if not self._troubled:
            _log.warning("the file of session %s is not written: %s", id, why)
        self._troubled = True


def _says(path: Path, text: str) -> bool:
    try:
        return path.read_bytes() == text.encode()
    except FileNotFoundError:
        return False


def _write(path: Path, text: str) -> None:
    if path.parent.name == "archive":
        private_dir(path.parent.parent)
    private_dir(path.parent)
    write_atomic(path, text, durable=False)  # what a crash spoils is written anew


def _is_ours(path: Path) -> bool:
    """Whether it is named as only our files are."""
    if not path.is_file() or path.is_symlink():
        return False
    try:
        session_id(path.name)
    except AoError:
        return is_draft(path.name)
    return True
