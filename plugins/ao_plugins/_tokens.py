"""The tokens of our messages, as a conversation has them."""

import re
from collections.abc import Iterable

from ao_core.slots.agent import Turn

_OURS = r"\[/([A-Za-z0-9]{1,64})\]\s*(?:</\w+[^<>]*>\s*)?$"  # an agent may mark what was pasted
_AT_END, _IN_LINES = re.compile(_OURS), re.compile(_OURS, re.MULTILINE)


def token_in(said: str) -> str:
    """Of the message that was said to the agent."""
    found = _AT_END.search(said)
    return found[1] if found else ""


def tokens(turns: Iterable[Turn]) -> frozenset[str]:
    """Of all that was said to the agent; it may have put several messages together."""
    said = (turn.text for turn in turns if turn.role == "user")
    return frozenset(token for text in said for token in _IN_LINES.findall(text))
