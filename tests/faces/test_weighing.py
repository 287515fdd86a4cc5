"""What counts as a person's word, by what a client sends back with it."""

import json
from datetime import datetime, timedelta

import pytest
from mcp_types import CallToolRequestParams, ElicitResult, InputResponses

from ao_mcp.mcp.consent import Asked, _said_since  # pyright: ignore[reportPrivateUsage]

TEXT = "Merge into main: app-1?"
AT = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
STATE = Asked(TEXT, AT).state


def said(after: float, state: str | None = STATE) -> str | None:
    response: InputResponses = {"confirm": ElicitResult(action="decline")}
    params = CallToolRequestParams(name="merge", input_responses=response, request_state=state)
    return _said_since(params, TEXT, AT + timedelta(seconds=after))


@pytest.mark.parametrize(("after", "whose"), [(0.01, "nobody"), (2, "decline"), (-60, "decline")])
def test_a_no_is_a_programs_only_if_it_came_at_once(after: float, whose: str) -> None:
    assert said(after) == whose


@pytest.mark.parametrize(
    "state",
    [
        None, "", "[]", "x", json.dumps({"of": "another", "at": AT.isoformat()}),
        STATE.replace("+00:00", ""), STATE.replace("2026", "year"),
    ],
)  # fmt: skip
def test_what_was_not_asked_so_is_asked_anew(state: str | None) -> None:
    assert said(2, state) is None
