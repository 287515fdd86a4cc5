"""What stands in for a notifier that could not be loaded, so that the others still work."""

from typing import ClassVar

from ao_core.errors import PluginError
from ao_core.plugin import Config, Manifest, Scope
from ao_core.slots.notifier import Note, Notifier


class Unusable(Notifier[Config]):
    """Tells whoever uses it why it cannot be used."""

    manifest: ClassVar[Manifest] = Manifest("unusable", "notifier", "Could not be loaded", "1.0.0")

    def __init__(self, problem: PluginError, scope: Scope) -> None:
        super().__init__(Config(), scope)
        self._problem = problem

    async def notify(self, note: Note) -> None:
        """Raise what is wrong with the notifier."""
        raise self._problem
