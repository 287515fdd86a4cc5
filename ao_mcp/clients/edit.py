"""One entry in a text, found and changed. What has been changed is read again before it is used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ao_mcp.clients.form import Broken, Entry, Kind, Unfit, form, held, with_entry


@dataclass(frozen=True, slots=True)
class Place:
    """Where an entry is in a file of some form."""

    kind: Kind
    keys: Sequence[str]
    name: str

    def entry(self, text: str) -> object | None:
        """The entry as it stands there, None if there is none; raises `Broken`, `Unfit`."""
        return held(form(self.kind).read(text), self.keys).get(self.name)

    def edited(self, text: str, entry: Entry | None) -> str:
        """The text with this entry, or without it; raises `Unfit` where more would change."""
        writer = form(self.kind)
        wanted = with_entry(writer.read(text), self.keys, self.name, entry)
        if entry is None:
            changed = writer.drop(text, self.keys, self.name)
        else:
            changed = writer.put(text, self.keys, self.name, entry)
        if self._settled(changed) != wanted:
            raise Unfit("more than our entry would change")
        return changed

    def _settled(self, text: str) -> Mapping[str, object] | None:
        """What it says, as if what holds nothing were not there; None if it cannot be read."""
        try:
            data = form(self.kind).read(text)
        except Broken:
            return None
        there = held(data, self.keys).get(self.name)
        return with_entry(data, self.keys, self.name, there)
