"""The lead itself: a note becomes a line of the journal, which `wait` brings to it.

https://modelcontextprotocol.io/specification/
"""

from typing import ClassVar

from ao_core.plugin import Config, Manifest
from ao_core.slots.notifier import Note, Notifier


class LeadConfig(Config):
    """Nothing to set."""


class Lead(Notifier[LeadConfig]):
    """Puts notes before the lead."""

    manifest: ClassVar[Manifest] = Manifest(
        name="lead",
        slot="notifier",
        description="Tells the lead agent, through `wait`",
        version="1.0.0",
    )
    config_type: ClassVar[type[Config]] = LeadConfig
    reads_along: ClassVar[bool] = True

    async def notify(self, note: Note) -> None:
        """Leave the note where the lead reads on."""
        if self.scope.announce is not None:
            await self.scope.announce(note.id, f"{note.title}: {note.body}")
