"""The scripted lead: a model that calls our tools as `next_step` says.

Whoever asks without our tools at hand (for a title, say) gets a word.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from clients.leading import Call, Done, next_step
from models.dialects import Asked, Offer, Reply, Wrong

_ASIDE = "Noted."


@dataclass
class Model:
    """What was asked and said. `naming` is how a client names our tools to a model."""

    naming: str
    url: str = ""
    said: list[Call] = field(default_factory=list[Call])
    heard: Sequence[Done] = ()
    offered: set[str] = field(default_factory=set[str])
    aside: list[list[str]] = field(default_factory=list[list[str]])  # the tools of who had not ours
    refused: list[str] = field(default_factory=list[str])
    last: str = ""  # its last words, once it has called all that it wanted

    def answer(self, asked: Asked) -> Reply:
        """The next thing to say."""
        ours = {one: tool for one in asked.offers if (tool := self._ours(one))}
        if not ours:
            self.aside.append([f"{one.space}.{one.name}" for one in asked.offers])
            return Reply(0, _ASIDE)
        self.offered = set(ours.values())
        self.heard = past = done(asked, ours)
        step = next_step(past)
        if isinstance(step, str):
            self.last = step
            return Reply(len(past), step)
        names = {tool: offer for offer, tool in ours.items()}
        if step.tool not in names:
            return Reply(len(past), f"It went wrong: there is no {step.tool}.")
        self.said.append(step)
        return Reply(len(past), "", names[step.tool], step.arguments)

    def _ours(self, offer: Offer) -> str | None:
        full = f"{offer.space}.{offer.name}" if offer.space else offer.name
        before, _, after = self.naming.partition("{}")
        inside = full.removeprefix(before).removesuffix(after)
        return inside if self.naming.format(inside) == full else None

    def errors(self, tool: str) -> Sequence[Mapping[str, Any]]:
        """What went wrong with calls of a tool."""
        return [one.error for one in self.heard if one.call.tool == tool and one.error is not None]

    def waits_in(self, tool: str) -> bool:
        """Whether the last thing it said is a call of this tool, which has no result yet."""
        return bool(self.said) and self.said[-1].tool == tool


def done(asked: Asked, ours: Mapping[Offer, str]) -> Sequence[Done]:
    """The past, by our own names."""
    unknown = [made.offer.name for made, _ in asked.past if made.offer not in ours]
    if unknown:
        raise Wrong(f"nobody called {unknown}")
    return [Done(Call(ours[made.offer], made.arguments), text) for made, text in asked.past]
