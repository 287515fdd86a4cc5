"""The SQLite store: the contract of all stores, and what is its own: the file and the disk."""

from pathlib import Path

import pytest
from hypothesis import settings

from ao_core.clock import Clock
from ao_core.store.contract import Store
from ao_core.store.sqlite import SqliteStore
from ao_core.testing.store import SharedStoreContract, StoreContract
from ao_core.testing.store_kit import Make
from ao_core.testing.store_machine import StoreMachine


class TestSqliteStore(StoreContract, SharedStoreContract):
    @pytest.fixture
    def make(self) -> Make:
        return SqliteStore


class SqliteMachine(StoreMachine):
    def make(self, path: Path, clock: Clock) -> Store:
        return SqliteStore(path, clock)


SqliteMachine.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
TestSqliteMachine = SqliteMachine.TestCase
