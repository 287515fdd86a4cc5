"""Books in a file of the test's own."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from books import Books, a_session, opened_books


@pytest.fixture
async def books(tmp_path: Path) -> AsyncGenerator[Books]:
    """With two sessions in them, `app-1` and `app-2`."""
    async with opened_books(tmp_path) as books:
        await books.keep(a_session(path=str(tmp_path)), a_session("app-2", path=str(tmp_path)))
        yield books
