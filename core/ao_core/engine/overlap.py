"""Tells when two workers change the same lines: at the end of a turn, and with each commit.

Both are compared from the commit at which they parted, with what is not committed yet where that
can be seen. One reader with a stored cursor; it looks at one worker at a time, and at so many
others at most.
"""

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import TypeAlias

import anyio

from ao_core.engine.bookmark import Bookmark
from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.engine.side import collected, git_for
from ao_core.errors import AoError
from ao_core.ids import SessionId
from ao_core.model.event import Event, EventKind, NewEvent, Said
from ao_core.model.overlap import Overlap, Place
from ao_core.model.session import PrState, Session, is_terminal
from ao_core.redact import visible
from ao_core.slots.workspace import Apart
from ao_core.store.contract import Change, Drop, Put
from ao_core.store.records import OVERLAP, SESSION

_log = logging.getLogger(__name__)
_READER = "overlap"
_OTHERS = 20  # at most, those that moved last
_PLACES = 20
_DIFF = 4_000_000  # bytes
_NEW, _NAMES = 1_000, 200_000  # files that git does not know yet, and the bytes of their names
_REMEMBERED = 200
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+")
_LOOKS = frozenset({
    EventKind.SESSION_COMMITTED, EventKind.SESSION_IDLE, EventKind.SESSION_NEEDS_INPUT,
})  # fmt: skip
_ENDS = frozenset({
    EventKind.SESSION_KILLED, EventKind.SESSION_EXITED,
    EventKind.PR_MERGED, EventKind.PR_CLOSED,
})  # fmt: skip

Changed: TypeAlias = Sequence[Place]


# -- pure ------------------------------------------------------------------------------------------


def changed(diff: bytes) -> Changed:
    """The old lines a diff without context changes; an insertion stands between two lines."""
    return tuple(_changed(diff))


def _changed(diff: bytes) -> Iterator[Place]:
    path, inside = "", False
    for line in diff.split(b"\n"):
        if line.startswith(b"diff --git "):
            path, inside = "", False
        elif not inside and line.startswith((b"--- a/", b"+++ b/")):
            path = line[6:].rstrip(b"\t").decode(errors="replace")
        elif path and (found := _HUNK.match(line)):
            inside = True  # from here on lines begin as they like
            first, count = int(found[1]), int(found[2] or 1)
            yield Place(path, first, first + count - 1)


def meeting(one: Changed, other: Changed) -> tuple[Place, ...]:
    """The places both changed, in order, each as the first has it."""
    return tuple([mine for mine in one if any(_meet(mine, theirs) for theirs in other)][:_PLACES])


def _meet(one: Place, other: Place) -> bool:
    if one.path != other.path:
        return False
    if one.last < one.first and other.last < other.first:  # both put something in
        return one.first == other.first
    return max(one.first, other.first) <= min(_end(one), _end(other))


def _end(place: Place) -> int:
    return max(place.first, place.last)


def worth_telling(known: Overlap | None, found: Overlap) -> bool:
    """Once for the same files."""
    return known is None or not found.files <= known.files


# -- the reader ------------------------------------------------------------------------------------


class Overlaps:
    """Follows the journal."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._bookmark = Bookmark(engine.records, _READER)
        self._seen: dict[tuple[object, ...], Changed] = {}
        self._seq = 0

    @property
    def seen(self) -> int:
        """The last line that was dealt with."""
        return self._seq

    async def run(self) -> None:
        """Until cancelled."""
        self._seq = await self._bookmark.begin(self._engine.records.head)
        async with aclosing(self._engine.records.follow(self._seq)) as journal:
            async for event in journal:
                try:
                    await self._engine.patiently(
                        lambda event=event: self._take(event), "overlaps are told of"
                    )
                except Exception:  # one line that cannot be dealt with must not end the others
                    _log.exception("nobody looked for overlaps at line %d", event.seq)
                self._seq = event.seq

    async def _take(self, event: Event) -> None:
        changes: list[Change] = []
        events: list[NewEvent] = []
        session = self._engine.records.find(SESSION, event.session or "")
        if session is not None and event.kind in _ENDS:
            changes = [self._drop(one) for one in overlaps_of(self._engine, session.id)]
        elif session is not None and event.kind in _LOOKS and _is_at_it(session):
            changes, events = await self._look(session)
        if changes or events or self._bookmark.is_behind(event.seq):
            await self._bookmark.commit(event.seq, changes, events)

    async def _look(self, session: Session) -> tuple[list[Change], list[NewEvent]]:
        self._seen = {key: one for key, one in self._seen.items() if key[0] != session.id}
        try:
            project = await self._engine.project_of(session)
            await collected(project, session)
            mine = await self._changes(project, session, session.base_commit)
            others = self._others(session) if mine else []
            found = {one.id: await self._between(project, session, one) for one in others}
        except AoError as exc:
            _log.warning("what %s has changed cannot be seen: %s", session.id, exc.message)
            return [], []
        return self._told(session, found)

    def _others(self, session: Session) -> list[Session]:
        """Copies of one task are meant to change the same."""
        every = [
            one for one in self._engine.live()
            if one.project == session.project and one.id != session.id and _is_at_it(one)
            and (one.group is None or one.group != session.group)
        ]  # fmt: skip
        return sorted(every, key=lambda one: one.facts.since, reverse=True)[:_OTHERS]

    async def _between(
        self, project: Project, session: Session, other: Session
    ) -> tuple[Place, ...]:
        git = git_for(project, project.repository)
        ends = (f"refs/heads/{session.branch}", f"refs/heads/{other.branch}")
        parted = await git.merge_base(*ends)
        if parted is None:
            return ()
        mine = await self._changes(project, session, parted)
        return meeting(mine, await self._changes(project, other, parted)) if mine else ()

    async def _changes(self, project: Project, session: Session, since: str) -> Changed:
        lines = await self._once(session, since, lambda: _read(project, session, since))
        new = await self._once(session, "", lambda: _untracked(project, session))
        return (*lines, *new)

    async def _once(
        self, session: Session, since: str, read: Callable[[], Awaitable[Changed]]
    ) -> Changed:
        """What was read before, where it has not moved since."""
        last = session.commits[-1] if session.commits else ""
        key = (session.id, since, last, session.facts.since)
        if key not in self._seen:
            if len(self._seen) >= _REMEMBERED:
                self._seen.clear()
            self._seen[key] = await read()
        return self._seen[key]

    def _told(
        self, session: Session, found: dict[SessionId, tuple[Place, ...]]
    ) -> tuple[list[Change], list[NewEvent]]:
        records = self._engine.records
        before = overlaps_of(self._engine, session.id)
        over = [one for one in before if not found.get(one.other(session.id))]
        changes: list[Change] = [self._drop(one) for one in over]
        events: list[NewEvent] = []
        for other, places in found.items():
            if not places:
                continue
            first, second = sorted((session.id, other))
            overlap = Overlap(SessionId(first), SessionId(second), places)
            known = records.find(OVERLAP, overlap.id)
            if known != overlap:
                revision = records.revision(OVERLAP, overlap.id)
                changes.append(Put(OVERLAP, overlap.id, overlap, revision))
            if worth_telling(known, overlap):
                events += [_event(session, overlap), _event(records.session(other), overlap)]
        return changes, events

    def _drop(self, known: Overlap) -> Change:
        return Drop(OVERLAP, known.id, self._engine.records.revision(OVERLAP, known.id))


def overlaps_of(engine: Engine, session: SessionId) -> list[Overlap]:
    """Whom a session meets on the same lines."""
    every = engine.records.all(OVERLAP)
    return [one for one in every if session in (one.first, one.second)]


def words(overlap: Overlap, session: SessionId) -> str:
    """The overlap in one line, as seen from one of the two."""
    places = ", ".join(map(str, overlap.places[:5]))
    more = f" and {len(overlap.places) - 5} more" if len(overlap.places) > 5 else ""
    return visible(f"{overlap.other(session)}: {places}{more}", 400)


def _event(session: Session, overlap: Overlap) -> NewEvent:
    text = f"it changes the same lines as {words(overlap, session.id)}"
    return NewEvent(EventKind.SESSION_OVERLAPS, Said(text), session.project, session.id)


def _is_at_it(session: Session) -> bool:
    done = is_terminal(session) or session.pr.state in (PrState.MERGED, PrState.CLOSED)
    return not done and bool(session.branch and session.path and session.base_commit)


async def _read(project: Project, session: Session, since: str) -> Changed:
    """What it changed since a commit; in a work tree, also what it has not committed yet."""
    there = await _has_tree(project, session)
    git = git_for(project, Path(session.path) if there else project.repository)
    end = () if there else (f"refs/heads/{session.branch}",)
    how = ("--unified=0", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color")
    where = ("--src-prefix=a/", "--dst-prefix=b/", "--end-of-options", since, *end, "--")
    done = await git.attempt("-c", "core.quotePath=false", "diff", *how, *where, limit=_DIFF)
    return changed(done.stdout) if done.status == 0 else ()


async def _untracked(project: Project, session: Session) -> Changed:
    """The files that git does not know yet and is not to ignore, each as a whole and by its name.

    They stand where a new file of a diff does, so one that is committed meets one that is not.
    """
    if not await _has_tree(project, session):
        return ()
    how = ("ls-files", "-z", "--others", "--exclude-standard")
    done = await git_for(project, Path(session.path)).attempt(*how, limit=_NAMES)
    names = done.stdout.split(b"\0")[:-1] if done.status == 0 else ()  # the last may have been cut
    return tuple(Place(name.decode(errors="replace"), 0, -1) for name in names[:_NEW])


async def _has_tree(project: Project, session: Session) -> bool:
    """Whether its files are in a work tree of the project's repository."""
    there = await anyio.Path(session.path, ".git").exists()
    return there and not isinstance(project.workspace, Apart)
