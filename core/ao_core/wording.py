"""Texts that speak of tools, for somebody who has not got them all. Standard library only."""

import re
from collections.abc import Collection

_SENTENCES, _NAMED = re.compile(r"(?<=\.)\s+(?=[A-Z`])"), re.compile(r"`(\w+)`")
_ITEMS, _MARK = re.compile(r"\n(?=- |\d\. )"), re.compile(r"(?:- |\d\. )?")


def spoken(text: str, absent: Collection[str]) -> str:
    """The text without the sentences that name one of these tools; the same if none does."""
    if not _speaks_of(text, absent):
        return text
    paragraphs = (_paragraph(one, absent) for one in text.strip("\n").split("\n\n"))
    return "\n\n".join(filter(None, paragraphs)) + "\n"


def _paragraph(text: str, absent: Collection[str]) -> str:
    items = (_item(one, absent) for one in _ITEMS.split(text))
    return "\n".join(filter(None, items))


def _item(text: str, absent: Collection[str]) -> str:
    start = _MARK.match(text)
    mark = start[0] if start else ""
    kept = [one for one in _SENTENCES.split(text[len(mark) :]) if not _speaks_of(one, absent)]
    return mark + " ".join(kept) if kept else ""


def _speaks_of(text: str, tools: Collection[str]) -> bool:
    return any(name in tools for name in _NAMED.findall(text))
