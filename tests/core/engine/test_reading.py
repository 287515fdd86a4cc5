"""The events of one session, among those of all the others."""

from typing import Any, cast

import pytest

from ao_core.engine import reading
from ao_core.engine.reading import Piece, What, read
from ao_core.errors import Pruned
from bare_engine import an_engine
from books import Books


async def every(books: Books) -> list[Piece]:
    """What is read with the cursor of the piece before, until there is none."""
    engine, pieces = an_engine(books), list[Piece]()
    while not pieces or pieces[-1].cursor:
        cursor = pieces[-1].cursor if pieces else None
        pieces.append(await read(engine, cast("Any", "app-2"), What.EVENTS, cursor, 200))
    return pieces


@pytest.mark.parametrize("patience", [5.0, -1.0])
async def test_each_line_is_read_once_however_little_time_there_is(
    books: Books, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(reading, "_PATIENCE", patience)
    for number in range(60):
        await books.say(f"line {number}", f"app-{number % 3}")
    pieces = await every(books)
    assert len(pieces) > (60 if patience < 0 else 1)
    lines = [line for one in pieces for line in one.text.splitlines()]
    said = [line.rpartition("text=")[2] for line in lines]
    assert said == [f"line {number}" for number in range(60) if number % 3 == 2]


async def test_a_cursor_that_is_not_kept_is_refused_with_what_helps(books: Books) -> None:
    for number in range(9):
        await books.say(f"line {number}")
    await books.store.prune(8)
    with pytest.raises(Pruned) as refused:
        await read(an_engine(books), cast("Any", "app-1"), What.EVENTS, "2", 200)
    assert refused.value.hint == "Leave `cursor` out to begin with what is kept."
