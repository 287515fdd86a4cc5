"""The tokens of our messages, as a conversation has them."""

import re
from collections.abc import Iterable

from ao_core.slots.agent import Turn

TOKEN = re.compile(r"\[/([A-Za-z0-9]{1,64})\]\s*$")  # that ends a message of ours
_EVERY = re.compile(TOKEN.pattern, re.MULTILINE)  # several may be put together


def tokens(turns: Iterable[Turn]) -> frozenset[str]:
    """Of all that was said to the agent."""
    said = (turn.text for turn in turns if turn.role == "user")
    return frozenset(token for text in said for token in _EVERY.findall(text))
