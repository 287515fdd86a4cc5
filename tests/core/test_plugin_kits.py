"""The kits that plugins of others inherit, each on the smallest plugin that can pass."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ao_core.errors import Rejected, Unavailable
from ao_core.plugin import Config, Manifest, Scope
from ao_core.slots.notifier import Action, ActionNotifier, Note, Notifier, Poster
from ao_core.slots.terminal import Terminal, View, Watched
from ao_core.testing.notifier import (
    ActionNotifierContract,
    FailingNotifierContract,
    PosterContract,
)
from ao_core.testing.terminal import WatchedContract


class BookConfig(Config):
    """Settings for a book of notes."""

    name: str = "book"


class Book(Notifier[BookConfig], ActionNotifier, Poster):
    """Writes notes into a file."""

    manifest: ClassVar[Manifest] = Manifest("book", "notifier", "Notes in a file", "1.0.0")
    config_type: ClassVar[type[Config]] = BookConfig

    async def notify(self, note: Note) -> None:
        self._write(f"{note.title}\n{note.body}")

    async def notify_with_actions(self, note: Note, actions: Sequence[Action]) -> None:
        links = [f"{action.label}: {action.url}" for action in actions]
        self._write("\n".join([note.title, note.body, *links]))

    async def post(self, text: str, *, channel: str | None = None) -> str | None:
        self._write(text)
        return None

    def _write(self, text: str) -> None:
        try:
            with (self.scope.state / self.config.name).open("a") as file:
                file.write(json.dumps(text) + "\n")
        except OSError as exc:
            raise Unavailable("The book cannot be written.", hint="Buy another.") from exc


class TestBook(FailingNotifierContract, ActionNotifierContract, PosterContract):
    def make(self, scope: Scope) -> Book:
        return Book(BookConfig(), scope)

    def make_unreachable(self, scope: Scope) -> Book:
        return Book(BookConfig(name="no/such/folder"), scope)

    def received(self, scope: Scope) -> Sequence[str]:
        file = Path(scope.state) / "book"
        return [json.loads(line) for line in file.read_text().splitlines()]


class Wall(Terminal[Config], Watched):
    """Hangs views on a wall."""

    manifest: ClassVar[Manifest] = Manifest("wall", "terminal", "Views on a wall", "1.0.0")

    async def open_session(self, view: View) -> None:
        if not view.attach.command:
            raise Rejected("There is nothing to run.")
        (self.scope.state / view.session).touch()

    async def is_open(self, session: str) -> bool:
        return (self.scope.state / session).exists()


class TestWall(WatchedContract):
    def make(self, scope: Scope) -> Wall:
        return Wall(Config(), scope)

    def shown(self, scope: Scope) -> Sequence[str]:
        return [path.name for path in sorted(scope.state.iterdir())]
