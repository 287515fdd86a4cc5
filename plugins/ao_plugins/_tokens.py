"""The tokens of our messages, as a conversation has them."""

import re
from collections.abc import Iterable

from ao_core.slots.agent import Turn

TOKEN = re.compile(r"\[/([A-Za-z0-9]{1,64})\]\s*$")  # that ends a message of ours


def tokens(turns: Iterable[Turn]) -> frozenset[str]:
    """Of all that was said to the agent."""
    found = (TOKEN.search(turn.text) for turn in turns if turn.role == "user")
    return frozenset(one[1] for one in found if one)
