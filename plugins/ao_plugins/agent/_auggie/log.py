"""A session of Auggie's as it keeps it: one JSON file, `sessions/<id>.json` in its folder.

https://docs.augmentcode.com/cli/reference names the folder; the form is that of auggie 0.36.0.
"""

import json
import math
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ao_core.drive.loose import mapping, moment, number, sequence, text
from ao_core.model.activity import Activity, ActivityState, Source
from ao_core.model.usage import Usage
from ao_core.redact import visible
from ao_core.slots.agent import Turn

_LONGEST = 64 * 1024 * 1024
_TEXT, _DETAIL, _KEPT, _MOST = 16_000, 500, 100, 64
_INTO = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_TOOL, _BILL, _DOLLARS = 5, 9, 2  # kinds of nodes, and of bills


@dataclass(frozen=True, slots=True)
class Story:
    """What it amounts to."""

    native_id: str | None
    summary: str | None
    last: Activity | None
    turns: tuple[Turn, ...]
    usage: Usage


_known: OrderedDict[Path, tuple[tuple[int, int], Story | None]] = OrderedDict()


def story(log: Path) -> Story | None:
    """What is in it; None where there is no such file. It is read again only if it was written."""
    try:
        about = log.stat()
    except OSError:
        return None
    stamp = (about.st_mtime_ns, about.st_size)
    known = _known.get(log)
    if known is None or known[0] != stamp:
        known = _known[log] = (stamp, _read(log))
        while len(_known) > _MOST:
            _known.popitem(last=False)
    return known[1]


def _read(log: Path) -> Story | None:
    try:
        with log.open("rb") as file:
            found = mapping(json.loads(file.read(_LONGEST)))
    except (OSError, ValueError, RecursionError):
        return None
    entries = [mapping(one) for one in sequence(found.get("chatHistory"))]
    said = [mapping(one.get("exchange")) for one in entries]
    summary = text(found.get("customTitle") or found.get("title"), _DETAIL)
    return Story(
        text(found.get("sessionId"), 200) or None,
        visible(summary, _DETAIL) or None,
        _last(entries[-1], said[-1]) if entries else None,
        tuple(
            turn for one, whole in zip(entries, said, strict=True) for turn in _turns(one, whole)
        )[-_KEPT:],
        _usage(said),
    )


def _turns(entry: dict[str, Any], said: dict[str, Any]) -> list[Turn]:
    asked, answer, tools = text(said.get("request_message"), _TEXT), _answer(said), _tools(said)
    user = [Turn("user", visible(asked, _TEXT))] if asked else []
    if not answer and not tools:
        return user
    return [
        *user,
        Turn("assistant", visible(answer, _TEXT), moment(entry.get("finishedAt")), tools),
    ]


def _answer(said: dict[str, Any]) -> str:
    nodes = [one for one in _nodes(said) if one.get("type") == 0]
    parts = "".join(text(one.get("content"), _TEXT) for one in nodes)
    return parts or text(said.get("response_text"), _TEXT)


def _tools(said: dict[str, Any]) -> tuple[str, ...]:
    uses = (mapping(one.get("tool_use")) for one in _nodes(said) if one.get("type") == _TOOL)
    return tuple(_tool(one) for one in uses)


def _tool(use: dict[str, Any]) -> str:
    about = text(use.get("input_json"), _DETAIL)
    return visible(f"{text(use.get('tool_name'), 200)} {about}".strip(), _DETAIL)


def _nodes(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [mapping(one) for one in sequence(said.get("response_nodes"))]


def _last(entry: dict[str, Any], said: dict[str, Any]) -> Activity | None:
    """What follows a tool is still to come; after words alone the turn is over."""
    at = moment(entry.get("finishedAt"))
    state = ActivityState.ACTIVE if _tools(said) else ActivityState.READY
    detail = visible(_answer(said), _DETAIL) or None
    return Activity(state, at, Source.NATIVE, detail) if at else None


def _usage(every: list[dict[str, Any]]) -> Usage:
    counted = [one for one in (mapping(said.get("token_usage")) for said in every) if one]
    into = sum(number(one.get(name)) or 0 for one in counted for name in _INTO)
    out = sum(number(one.get("output_tokens")) or 0 for one in counted)
    cost = _cost([node for said in every for node in _nodes(said) if node.get("type") == _BILL])
    return Usage(into, out, cost) if counted else Usage(cost_usd=cost)


def _cost(bills: list[dict[str, Any]]) -> float | None:
    """In dollars, where it is billed in them; each transaction counts once."""
    found: dict[str, float] = {}
    for bill in (mapping(one.get("billing_metadata")) for one in bills):
        id = text(bill.get("transaction_id"), 200)
        if id and bill.get("usage_unit") == _DOLLARS:
            found[id] = _dollars(bill.get("cost_usd"))
    return sum(found.values()) if found else None


def _dollars(value: object) -> float:
    try:
        found = float(text(value, 40))
    except ValueError:
        return 0.0
    return found if math.isfinite(found) and found >= 0 else 0.0
