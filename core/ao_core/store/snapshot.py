"""The state as of one commit, in one file, so that a journal need not be read from the start."""

from io import BytesIO
from pathlib import Path
from typing import Any

from ao_core.errors import Corrupt
from ao_core.files import write_atomic
from ao_core.store.line import (
    Damaged,
    Edit,
    Held,
    edit_text,
    lease_text,
    read_edit,
    sealed,
    unsealed,
)
from ao_core.store.state import Numbers, State

NAME = "snapshot.jsonl"
_HINT = "Put a copy of the home in its place; it was not changed."


def save(folder: Path, state: State) -> int:
    """Put a state in the place of the one before; returns its size."""
    data = b"".join((_head(state), *map(_record, state.records.values())))
    write_atomic(folder / NAME, data)
    return len(data)


def load(folder: Path) -> tuple[State, int]:
    """The state that was saved last, and its size; an empty one if there is none."""
    path = folder / NAME
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return State({}, {}), 0
    return _state(path, BytesIO(data).readlines()), len(data)


def _state(path: Path, lines: list[bytes]) -> State:
    number = 0
    try:
        head = unsealed(lines[0])
        records: list[Edit] = []
        for number, line in enumerate(lines[1:], 1):  # noqa: B007 - named in the complaint
            records.append(read_edit(unsealed(line)))
        return _checked(head, records)
    except (Damaged, KeyError, TypeError, IndexError) as exc:
        said = f"{path}, line {number + 1}: the snapshot is damaged"
        raise Corrupt(said, hint=_HINT) from exc


def _checked(head: dict[str, Any], records: list[Edit]) -> State:
    if head["records"] != len(records):
        raise Damaged
    numbers = Numbers(head["commit"], head["revision"], head["first"], head["head"])
    leases = [Held(**one) for one in head["leases"]]
    return State(
        {(edit.kind, edit.id): edit for edit in records},
        {lease.key: lease for lease in leases},
        numbers,
    )


def _head(state: State) -> bytes:
    at = state.numbers
    leases = ",".join(map(lease_text, state.leases.values()))
    return sealed(
        f'"commit":{at.commit},"revision":{at.revision},"first":{at.first},"head":{at.head},'
        f'"records":{len(state.records)},"leases":[{leases}]'
    )


def _record(edit: Edit) -> bytes:
    return sealed(edit_text(edit))
