"""The store in flat files: the contract of all stores, and what is its own: lines and files."""

from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis.stateful import rule

from ao_core.clock import Clock
from ao_core.store import journal_file
from ao_core.store.flat import FilesStore
from ao_core.testing.store import StoreContract
from ao_core.testing.store_kit import Make
from ao_core.testing.store_machine import StoreMachine


class TestFilesStore(StoreContract):
    @pytest.fixture
    def make(self) -> Make:
        return FilesStore


class FilesMachine(StoreMachine):
    """With files so small that there are many, and compaction at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        self._patch.setattr(journal_file, "_FULL", 500)

    def make(self, path: Path, clock: Clock) -> FilesStore:
        self._files = FilesStore(path, clock)
        return self._files

    @rule()
    def compact(self) -> None:
        self._run(self._files.compact())

    def teardown(self) -> None:
        super().teardown()
        self._patch.undo()


FilesMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestFilesMachine = FilesMachine.TestCase
