"""Text that is too long, cut where it is worth least, with a mark that says so."""

_START = "[its beginning is left out] "
_MIDDLE = " [some of it is left out] "
_CUT = "…"


def without_start(text: str, limit: int) -> str:
    """Of a log, say, whose end matters."""
    if len(text) <= limit:
        return text
    mark = _START if limit > 2 * len(_START) else _CUT
    kept = limit - len(mark)
    return mark + text[-kept:] if kept > 0 else mark[: max(0, limit)]


def without_middle(text: str, limit: int) -> str:
    """Of a conversation, say, of which both the first and the last word matter."""
    if len(text) <= limit:
        return text
    mark = _MIDDLE if limit > 2 * len(_MIDDLE) else _CUT
    kept = max(0, limit - len(mark))
    last = kept // 2
    return text[: kept - last] + mark[: max(0, limit)] + text[len(text) - last :]
