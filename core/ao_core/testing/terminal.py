"""What every terminal plugin must do."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ao_core.plugin import Scope
from ao_core.slots.runtime import AttachInfo
from ao_core.slots.terminal import Terminal, View, Watched

NASTY = "'; rm -rf / $(touch x) `id` \x1b]0;x\x07 ünï 🚀"


def view(session: str, title: str = "Fix the login") -> View:
    """A session that can be looked at."""
    return View(session, title, AttachInfo("test", session, ("cat",)))


class TerminalContract(ABC):
    """Inherit, and say how the plugin is made and what it shows."""

    @abstractmethod
    def make(self, scope: Scope) -> Terminal[Any]:
        """A plugin that has not been entered."""

    @abstractmethod
    def shown(self, scope: Scope) -> Sequence[str]:
        """The sessions that are open now, in the order they were opened."""

    @pytest.fixture
    def scope(self, tmp_path: Path) -> Scope:
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        return Scope(state=state, project="app", home="0a1b2c3d")

    @pytest.fixture
    async def terminal(self, scope: Scope) -> AsyncIterator[Terminal[Any]]:
        async with self.make(scope) as terminal:
            yield terminal

    async def test_a_session_is_shown(self, terminal: Terminal[Any], scope: Scope) -> None:
        await terminal.open_session(view("app-1"))
        assert list(self.shown(scope)) == ["app-1"]

    async def test_opening_what_is_open_shows_it_once(
        self, terminal: Terminal[Any], scope: Scope
    ) -> None:
        await terminal.open_session(view("app-1"))
        await terminal.open_session(view("app-1"))
        assert list(self.shown(scope)) == ["app-1"]

    async def test_a_nasty_title_is_only_a_title(
        self, terminal: Terminal[Any], scope: Scope
    ) -> None:
        await terminal.open_session(view("app-1", NASTY))
        assert list(self.shown(scope)) == ["app-1"]

    async def test_all_are_opened(self, terminal: Terminal[Any], scope: Scope) -> None:
        assert await terminal.open_all([view("app-1"), view("app-2")]) == []
        assert sorted(self.shown(scope)) == ["app-1", "app-2"]

    async def test_one_that_cannot_be_opened_keeps_no_other_from_it(
        self, terminal: Terminal[Any], scope: Scope
    ) -> None:
        wrong = replace(view("app-1"), attach=AttachInfo("test", "app-1", ()))
        failed = await terminal.open_all([wrong, view("app-2")])
        assert len(failed) == 1
        assert list(self.shown(scope)) == ["app-2"]


class WatchedContract(TerminalContract):
    """For a terminal that is `Watched`, too."""

    async def test_what_is_open_is_known(self, terminal: Terminal[Any]) -> None:
        assert isinstance(terminal, Watched)
        assert not await terminal.is_open("app-1")
        await terminal.open_session(view("app-1"))
        assert await terminal.is_open("app-1")
        assert not await terminal.is_open("app-2")
