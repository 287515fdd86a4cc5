"""What every notifier plugin must do."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from ao_core.errors import PluginError
from ao_core.model.event import Priority
from ao_core.plugin import Scope
from ao_core.slots.notifier import Action, ActionNotifier, Note, Notifier, Poster

NASTY = "'; rm -rf / $(touch x) `id` <b>&amp;</b> *x* {{ }} ünï 🚀\n\n# second\tline"
NOTE = Note(
    id="note-1",
    kind="note.lead",
    priority=Priority.INFO,
    title="app-3: Fix the login",
    body="Its work is ready to look at.",
    at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    project="app",
    session="app-3",
    url="https://example.com/app/3",
)


class Announced:
    """Stands in for the line before the lead; `texts` is what was put there."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    async def __call__(self, note: str, text: str) -> None:
        self.texts.append(text)


class NotifierContract(ABC):
    """Inherit, and say how the plugin is made and where its notes arrive."""

    @abstractmethod
    def make(self, scope: Scope) -> Notifier[Any]:
        """A plugin that has not been entered."""

    @abstractmethod
    def received(self, scope: Scope) -> Sequence[str]:
        """What has arrived so far: one text a note, oldest first."""

    @pytest.fixture
    def scope(self, tmp_path: Path) -> Scope:
        state = tmp_path / "state"
        state.mkdir(mode=0o700)
        return Scope(state=state, project="app", home="0a1b2c3d", announce=Announced())

    @pytest.fixture
    async def notifier(self, scope: Scope) -> AsyncIterator[Notifier[Any]]:
        async with self.make(scope) as notifier:
            yield notifier

    async def test_a_note_arrives_with_its_title_and_body(
        self, notifier: Notifier[Any], scope: Scope
    ) -> None:
        await notifier.notify(NOTE)
        (text,) = self.received(scope)
        assert NOTE.title in text
        assert NOTE.body in text

    @pytest.mark.parametrize("priority", list(Priority))
    async def test_every_priority_arrives(
        self, notifier: Notifier[Any], scope: Scope, priority: Priority
    ) -> None:
        await notifier.notify(replace(NOTE, priority=priority))
        assert len(self.received(scope)) == 1

    async def test_what_a_note_may_lack_is_not_needed(
        self, notifier: Notifier[Any], scope: Scope
    ) -> None:
        await notifier.notify(replace(NOTE, project=None, session=None, url=None))
        assert len(self.received(scope)) == 1

    async def test_nasty_text_is_one_note_like_any_other(
        self, notifier: Notifier[Any], scope: Scope
    ) -> None:
        await notifier.notify(replace(NOTE, title=NASTY.splitlines()[0], body=NASTY))
        await notifier.notify(NOTE)
        nasty, plain = self.received(scope)
        assert "second" in nasty
        assert NOTE.body in plain

    async def test_a_long_note_arrives_if_only_its_beginning(
        self, notifier: Notifier[Any], scope: Scope
    ) -> None:
        await notifier.notify(replace(NOTE, body="Begins here. " + "x" * 20_000))
        (text,) = self.received(scope)
        assert "Begins here." in text

    async def test_notes_at_the_same_time_all_arrive(
        self, notifier: Notifier[Any], scope: Scope
    ) -> None:
        async with anyio.create_task_group() as group:
            for n in range(10):
                group.start_soon(notifier.notify, replace(NOTE, id=f"note-{n}", body=f"No. {n}."))
        texts = self.received(scope)
        assert len(texts) == 10
        assert all(any(f"No. {n}." in text for text in texts) for n in range(10))

    async def test_it_can_be_closed_and_opened_again(self, scope: Scope) -> None:
        for _ in range(2):
            async with self.make(scope) as notifier:
                await notifier.notify(NOTE)
        assert len(self.received(scope)) == 2


class FailingNotifierContract(NotifierContract):
    """For a notifier that can fail to deliver."""

    @abstractmethod
    def make_unreachable(self, scope: Scope) -> Notifier[Any]:
        """A plugin whose other side is not there, not entered."""

    async def test_what_did_not_arrive_is_told(self, scope: Scope) -> None:
        with pytest.raises(PluginError) as caught:
            async with self.make_unreachable(scope) as notifier:
                await notifier.notify(NOTE)
        assert caught.value.message


class ActionNotifierContract(NotifierContract):
    """For a notifier that is an `ActionNotifier`, too."""

    async def test_what_can_be_done_arrives_with_its_address(
        self, notifier: Notifier[Any], scope: Scope
    ) -> None:
        assert isinstance(notifier, ActionNotifier)
        actions = [Action("Look", "https://example.com/look")]
        await notifier.notify_with_actions(NOTE, actions)
        (text,) = self.received(scope)
        assert NOTE.title in text
        assert all(action.label in text and action.url in text for action in actions)


class PosterContract(NotifierContract):
    """For a notifier that is a `Poster`, too."""

    async def test_free_text_arrives(self, notifier: Notifier[Any], scope: Scope) -> None:
        assert isinstance(notifier, Poster)
        await notifier.post("Good morning.")
        (text,) = self.received(scope)
        assert "Good morning." in text
