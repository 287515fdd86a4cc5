"""All that is said in one thread, as one text: first and last words are kept."""

from collections.abc import Sequence

from ao_core.cutting import without_middle
from ao_core.redact import visible


def conversation(first: str, rest: Sequence[tuple[str, str]], room: int) -> str:
    """What began it, then what was said to that, and by whom."""
    text = "\n".join([first, *(f"{who}: {said}" for who, said in rest)])
    return without_middle(visible(text, len(text)), room)
