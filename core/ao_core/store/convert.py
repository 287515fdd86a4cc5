"""Carries a home from one store into another, while no engine runs.

The copy is made aside, read back, and put in its place; what switches is one line of the home's
configuration. A note in the home says what is under way: whoever takes the home next finishes or
undoes it, by what the configuration says. Until that line is written the home has its old store,
from then on the new one.

Records get new revisions and leases are left behind; the journal keeps its numbers and times.
"""

import hashlib
import json
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path
from typing import Any, cast

from anyio import CancelScope, to_thread

from ao_core.clock import Clock
from ao_core.config.load import HOME_NAME, engine_settings
from ao_core.config.rewrite import with_store
from ao_core.errors import AoError, Corrupt, StoreError, WrongState
from ao_core.files import in_our_words, private_dir, sync_folder, write_atomic
from ao_core.model.event import Event
from ao_core.store import codec, journal_file
from ao_core.store.choice import COMPANIONS, PLACES, chosen, open_store, present, require_data
from ao_core.store.contract import Kind, Put, Store
from ao_core.store.flat import FilesStore
from ao_core.store.inventory import Inventory, inventory
from ao_core.store.kind import StoreKind
from ao_core.store.projection import Projections
from ao_core.store.records import KINDS
from ao_core.store.sqlite import SqliteStore

_log = logging.getLogger(__name__)
_NOTE = "convert.json"
_ASIDE = "convert.part"
_PAGE = 500

Told = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Converted:
    """What was carried over, and where the old store is now."""

    source: StoreKind
    target: StoreKind
    records: int
    lines: int
    kept: str


@dataclass(frozen=True, slots=True)
class _Note:
    """A conversion under way."""

    source: StoreKind
    target: StoreKind
    kept: str


async def convert(
    home: Path, target: StoreKind, clock: Clock, environment: Mapping[str, str], told: Told
) -> Converted:
    """Convert a home that the caller holds. Whatever happens, it has one store or the other."""
    settle(home, environment)
    source = _source(home, target, environment)
    _configuration(home, target, environment)
    held = await to_thread.run_sync(inventory, home, source)
    _require_known(held)
    aside = private_dir(home / _ASIDE)
    try:
        await _copied(home, source, aside, target, clock, held, told)
        note = _Note(source, target, _free_name(home, source, clock))
        await to_thread.run_sync(_switch, home, note, environment)
    finally:
        with CancelScope(shield=True):
            await to_thread.run_sync(settle, home, environment)
    kept = note.kept if (home / note.kept).exists() else PLACES[source]
    return Converted(source, target, sum(held.records.values()), held.lines, kept)


def settle(home: Path, environment: Mapping[str, str]) -> bool:
    """Finish or undo a conversion that was broken off; only for whoever holds the home.

    Whether there was one, and its new store is in charge.
    """
    note = _noted(home)
    switched = False
    with in_our_words(home, "tidied up"):
        if note is not None:
            switched = chosen(home, environment) == note.target and note.target in present(home)
            (_finish if switched else _undo)(home, note)
            (home / _NOTE).unlink()
        if (home / _ASIDE).exists():
            shutil.rmtree(home / _ASIDE)
    return switched


# -- before it begins -----------------------------------------------------------------------------


def _source(home: Path, target: StoreKind, environment: Mapping[str, str]) -> StoreKind:
    there = present(home)
    if not there:
        hint = f"Write `store: {target}` into {home / HOME_NAME}; the first call makes the store."
        raise WrongState(f"The home {home} holds nothing yet.", hint=hint)
    source = chosen(home, environment)
    if source == target and target not in there:  # the setting was changed first
        source = there[0]
    if source == target:
        raise WrongState(f"The home {home} is kept in {target} already.")
    require_data(home, source)
    if target in there:
        hint = "It is not in use: move it away, then try again."
        raise WrongState(f"{home / PLACES[target]} is there already.", hint=hint)
    return source


def _configuration(
    home: Path, target: StoreKind, environment: Mapping[str, str]
) -> tuple[Path, str]:
    """The home's settings as they will be, and where: it may be kept elsewhere, under a link."""
    path = home / HOME_NAME
    if not path.exists():
        return path.resolve(), with_store(path, "", target)
    engine_settings(home, environment)  # says well what is wrong with it
    return path.resolve(), with_store(path, path.read_text(encoding="utf-8"), target)


def _require_known(held: Inventory) -> None:
    unknown = set(held.records) - {kind.name for kind in KINDS}
    if unknown:
        names = ", ".join(sorted(unknown))
        raise StoreError(
            f"It holds records that this version does not know: {names!a}.",
            hint="Convert it with the version that wrote it.",
        )


def _free_name(home: Path, source: StoreKind, clock: Clock) -> str:
    """What the old store will be called; nothing is there yet."""
    name = f"{PLACES[source]}.before-convert-{clock.now():%Y-%m-%dT%H%M%S}"
    names = chain([name], (f"{name}.{number}" for number in count(2)))
    taken = {path.name for path in home.iterdir()}
    return next(one for one in names if taken.isdisjoint(one + end for end in COMPANIONS))


# -- the copy -------------------------------------------------------------------------------------


async def _copied(
    home: Path,
    source: StoreKind,
    aside: Path,
    target: StoreKind,
    clock: Clock,
    held: Inventory,
    told: Told,
) -> None:
    total = 2 * (sum(held.records.values()) + held.lines)
    done = _Count(total, told)
    async with open_store(home, source, clock) as old:
        async with open_store(aside, target, clock) as new:
            await _copy(old, new, partial(done.more, "copied"))
        async with open_store(aside, target, clock) as new:
            if await _digest(old) != await _digest(new, partial(done.more, "read back")):
                raise StoreError("What was copied does not read as what was there.")
            if (new.first, new.head) != (old.first, old.head):
                raise StoreError("The journal's numbers were not kept.")


class _Count:
    """How far it has come."""

    def __init__(self, total: int, told: Told) -> None:
        self._total, self._told, self._done = total, told, 0

    def more(self, what: str, count: int) -> None:
        self._done += count
        self._told(min(self._done, self._total), self._total, what)


async def _copy(old: Store, new: SqliteStore | FilesStore, more: Callable[[int], None]) -> None:
    for kind in KINDS:
        async for rows in _pages(old.scan(cast("Kind[Any]", kind))):
            puts = [Put(cast("Kind[Any]", kind), row.id, row.value, 0) for row in rows]
            await new.commit(puts)
            more(len(rows))
    await new.adopt(old.first, ())
    async for events in _pages(old.follow(0, live=False)):
        await new.adopt(events[0].seq, events)
        more(len(events))


async def _digest(store: Store, more: Callable[[int], None] = lambda count: None) -> str:
    """A hash of everything but revisions and leases."""
    seen = hashlib.sha256()
    for kind in KINDS:
        async for rows in _pages(store.scan(cast("Kind[Any]", kind))):
            for row in rows:
                seen.update(_framed(kind.name, row.id, codec.encode_record(kind, row.value)))
            more(len(rows))
    async for events in _pages(store.follow(0, live=False)):
        for event in events:
            seen.update(_framed(*_parts(event)))
        more(len(events))
    return seen.hexdigest()


def _parts(event: Event) -> tuple[object, ...]:
    at = codec.encode_moment(event.at)
    return event.seq, at, event.kind, event.project, event.session, codec.encode(event.body)


def _framed(*parts: object) -> bytes:
    return json.dumps(parts).encode() + b"\n"


async def _pages(source: AsyncIterator[Any]) -> AsyncIterator[list[Any]]:
    page: list[Any] = []
    async for one in source:
        page.append(one)
        if len(page) == _PAGE:
            yield page
            page = []
    if page:
        yield page


# -- the switch -----------------------------------------------------------------------------------


def _switch(home: Path, note: _Note, environment: Mapping[str, str]) -> None:
    """Put the new store in charge; raises if the old one stays so."""
    failure: AoError | None = None
    try:
        with in_our_words(home, "converted"):
            _rewrite(home, note, environment)
    except AoError as exc:  # it may have come after the line that counts
        failure = exc
    if not settle(home, environment):
        hint = "Nothing was changed; try again."
        changed = StoreError(f"{home / HOME_NAME} was changed meanwhile.", hint=hint)
        raise failure or changed


def _rewrite(home: Path, note: _Note, environment: Mapping[str, str]) -> None:
    path, text = _configuration(home, note.target, environment)
    write_atomic(home / _NOTE, json.dumps(asdict(note)) + "\n")
    (home / _ASIDE / PLACES[note.target]).rename(home / PLACES[note.target])
    sync_folder(home)
    write_atomic(path, text, path.stat().st_mode & 0o777 if path.exists() else 0o600)


def _noted(home: Path) -> _Note | None:
    path = home / _NOTE
    with in_our_words(path, "read"):
        if not path.exists():
            return None
        data = path.read_bytes()
    try:
        return _read(data)
    except (ValueError, TypeError) as exc:
        hint = f"{HOME_NAME} names the store in use: remove the other one, if there is, and this."
        raise Corrupt(f"{path} is damaged", hint=hint) from exc


def _read(data: bytes) -> _Note:
    note = _Note(**json.loads(data))
    if {note.source, note.target} != set(PLACES) or Path(note.kept).name != note.kept:
        raise ValueError("it names what a conversion does not")
    return note


def _finish(home: Path, note: _Note) -> None:
    """The new store is in charge, also where the old one cannot be put away."""
    for retire in (_clear_session_files, _put_away):
        try:
            with in_our_words(home / PLACES[note.source], "put away"):
                retire(home, note)
        except AoError as exc:
            _log.warning("the new store is in use; of the old one: %s", exc.message)


def _put_away(home: Path, note: _Note) -> None:
    for companion in COMPANIONS:
        old = home / f"{PLACES[note.source]}{companion}"
        if old.exists():
            old.rename(home / f"{note.kept}{companion}")
    sync_folder(home)


def _undo(home: Path, note: _Note) -> None:
    """The old store is in charge: remove the copy."""
    copy = home / PLACES[note.target]
    if copy.is_dir():
        shutil.rmtree(copy)
    for companion in COMPANIONS:
        copy.with_name(copy.name + companion).unlink(missing_ok=True)


def _clear_session_files(home: Path, note: _Note) -> None:
    """They would go on saying what was."""
    journal = home / PLACES["files"]
    if note.source == "files" and journal.exists():
        projections = Projections(home)
        projections.learn(journal_file.load(journal).state.records.values())
        projections.clear()
