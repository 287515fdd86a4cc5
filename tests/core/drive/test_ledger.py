"""The state of a conversation, from its lines alone."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core.drive import messages
from ao_core.drive.facts import Asked, Began, Ended, Fact, Opened, Refused, Taken
from ao_core.drive.ledger import Ledger, noted, recalled
from ao_core.drive.messages import parse
from ao_core.drive.opening import Opening, is_open, next_request, prompt
from ao_core.drive.transcript import Part, rendered
from ao_core.model.usage import Usage
from ao_core.slots.runtime import Direction

SAID, TOLD = Direction.SAID, Direction.TOLD
INITIALIZED = {
    "protocolVersion": 1,
    "agentCapabilities": {"loadSession": True},
    "agentInfo": {"name": "a", "version": "1"},
    "authMethods": [{"id": "x", "name": "Sign in"}],
}
MODES = {
    "currentModeId": "ask",
    "availableModes": [{"id": "ask", "name": "A"}, {"id": "yolo", "name": "Y"}],
}


def told(ledger: Ledger, id: int, method: str, params: Any = None) -> list[Fact]:
    return ledger.take(TOLD, parse(messages.request(id, method, params or {})))


def said(ledger: Ledger, line: bytes) -> list[Fact]:
    return ledger.take(SAID, parse(line))


def update(kind: str, **fields: Any) -> bytes:
    params = {"sessionId": "s", "update": {"sessionUpdate": kind, **fields}}
    return messages.notice("session/update", params)


def chunk(text: str) -> bytes:
    return update("agent_message_chunk", content={"type": "text", "text": text})


def an_open_one(**opening: Any) -> Ledger:
    ledger = Ledger()
    told(ledger, 1, "initialize")
    said(ledger, messages.result(1, INITIALIZED))
    told(ledger, 2, "session/new")
    said(ledger, messages.result(2, {"sessionId": "s", "modes": MODES}))
    return ledger


def a_working_one() -> Ledger:
    ledger = an_open_one()
    told(ledger, 3, "session/prompt", prompt("s", "do it", "msg_1"))
    return ledger


def test_a_conversation_is_opened_step_by_step(tmp_path: Any) -> None:
    ledger, opening = Ledger(), Opening(tmp_path, mode="yolo")
    for id, (method, answer) in enumerate(
        [
            ("initialize", INITIALIZED),
            ("session/new", {"sessionId": "s", "modes": MODES}),
            ("session/set_mode", {}),
        ],
        1,
    ):
        step = next_request(ledger, opening)
        assert step is not None
        assert step[0] == method
        assert not is_open(ledger, opening)
        told(ledger, id, *step)
        assert next_request(ledger, opening) is None  # one at a time
        facts = said(ledger, messages.result(id, answer))
        assert facts == ([Opened("s", loaded=False)] if method == "session/new" else [])
    assert is_open(ledger, opening)
    assert next_request(ledger, opening) is None


def test_an_old_session_is_loaded_and_a_new_one_taken_where_that_is_refused(tmp_path: Any) -> None:
    ledger, opening = Ledger(), Opening(tmp_path, native_id="old")
    told(ledger, 1, "initialize")
    said(ledger, messages.result(1, INITIALIZED))
    method, params = next_request(ledger, opening) or ("", {})
    assert (method, params["sessionId"]) == ("session/load", "old")
    told(ledger, 2, method, params)
    said(ledger, chunk("from before"))
    assert said(ledger, messages.result(2, {})) == [Opened("old", loaded=True)]
    assert is_open(ledger, opening)
    assert ledger.native_id == "old"

    other = Ledger()
    told(other, 1, "initialize")
    said(other, messages.result(1, INITIALIZED))
    told(other, 2, method, params)
    assert said(other, messages.refusal(2, -32602, "unknown")) == [
        Refused("session/load", -32602, "unknown")
    ]
    assert (next_request(other, opening) or ("",))[0] == "session/new"


def test_an_agent_that_cannot_load_is_not_asked_to(tmp_path: Any) -> None:
    ledger = Ledger()
    told(ledger, 1, "initialize")
    said(ledger, messages.result(1, {"protocolVersion": 1}))
    assert (next_request(ledger, Opening(tmp_path, native_id="old")) or ("",))[0] == "session/new"


def test_an_agent_that_will_not_begin_is_asked_nothing_more(tmp_path: Any) -> None:
    ledger = Ledger()
    told(ledger, 1, "initialize")
    said(ledger, messages.refusal(1, -32000, "login"))
    assert next_request(ledger, Opening(tmp_path)) is None
    assert not is_open(ledger, Opening(tmp_path))


def test_a_turn_from_prompt_to_end() -> None:
    ledger = an_open_one()
    facts = told(ledger, 3, "session/prompt", prompt("s", "do it", "msg_1"))
    assert facts == [Began("msg_1", "do it")]
    assert said(ledger, chunk("I do")) == [Taken("msg_1")]
    assert said(ledger, chunk(" it")) == []
    usage = {"totalTokens": 9, "inputTokens": 5, "outputTokens": 4}
    answer = {"stopReason": "end_turn", "usage": usage, "_meta": {"ao": {"question": "ok?"}}}
    assert said(ledger, messages.result(3, answer)) == [
        Ended("msg_1", "end_turn", "I do it", question="ok?")
    ]
    assert ledger.turn is None
    assert ledger.usage == Usage(5, 4)


@pytest.mark.parametrize("kind", ["available_commands_update", "current_mode_update"])
def test_what_an_agent_announces_of_itself_is_no_sign_that_it_has_a_prompt(kind: str) -> None:
    ledger = a_working_one()
    assert said(ledger, update(kind, availableCommands=[], currentModeId="ask")) == []
    assert said(ledger, chunk("I do")) == [Taken("msg_1")]


def test_tokens_that_are_no_total_are_not_taken_for_one() -> None:
    ledger = a_working_one()
    ledger.counted = False
    usage = {"totalTokens": 9, "inputTokens": 5, "outputTokens": 4}
    said(ledger, messages.result(3, {"stopReason": "end_turn", "usage": usage}))
    assert ledger.usage == Usage()


def test_an_agent_that_says_nothing_in_a_turn_does_not_repeat_what_it_said_before() -> None:
    ledger = a_working_one()
    said(ledger, chunk("all is done"))
    said(ledger, messages.result(3, {"stopReason": "end_turn"}))
    told(ledger, 4, "session/prompt", prompt("s", "and now?", "msg_2"))
    (*_, ended) = said(ledger, messages.result(4, {"stopReason": "end_turn"}))
    assert ended == Ended("msg_2", "end_turn", "")


@pytest.mark.parametrize(
    "amount", [1e300, -1, float("nan"), float("inf"), True, "9", None, 10**400, [1]]
)
def test_a_cost_that_cannot_be_is_not_believed(amount: object) -> None:
    ledger = a_working_one()
    said(ledger, update("usage_update", used=1, size=9, cost={"amount": 2, "currency": "USD"}))
    said(ledger, update("usage_update", used=1, size=9, cost={"amount": amount, "currency": "USD"}))
    assert ledger.usage.cost_usd == 2.0
    usage = {"totalTokens": 10**30, "inputTokens": 10**30, "outputTokens": 4}
    said(ledger, messages.result(3, {"stopReason": "end_turn", "usage": usage}))
    assert (ledger.usage.input_tokens, ledger.usage.output_tokens) == (None, 4)


def test_a_mode_is_asked_for_whatever_the_agent_says_it_has(tmp_path: Any) -> None:
    ledger, opening = Ledger(), Opening(tmp_path, mode="plan")
    told(ledger, 1, "initialize")
    said(ledger, messages.result(1, INITIALIZED))
    told(ledger, 2, "session/new")
    said(ledger, messages.result(2, {"sessionId": "s"}))
    assert (next_request(ledger, opening) or ("",))[0] == "session/set_mode"


def test_a_mode_the_agent_takes_later_is_its_own_affair(tmp_path: Any) -> None:
    ledger, opening = an_open_one(), Opening(tmp_path, mode="ask")
    assert next_request(ledger, opening) is None
    told(ledger, 3, "session/prompt", prompt("s", "do it", "msg_1"))
    said(ledger, update("current_mode_update", currentModeId="yolo"))
    assert ledger.mode == "yolo"
    assert next_request(ledger, opening) is None


def test_a_turn_that_ends_without_a_sign_was_taken_all_the_same() -> None:
    ended = said(a_working_one(), messages.result(3, {"stopReason": "cancelled"}))
    assert ended == [Taken("msg_1"), Ended("msg_1", "cancelled")]


def test_a_refused_prompt_says_whether_it_had_been_taken() -> None:
    why = messages.refusal(3, -32603, "no credit")
    refused = Refused("session/prompt", -32603, "no credit", "msg_1")
    assert said(a_working_one(), why) == [refused]
    ledger = a_working_one()
    said(ledger, chunk("hm"))
    assert said(ledger, why) == [
        Refused("session/prompt", -32603, "no credit", "msg_1", taken=True)
    ]
    assert ledger.turn is None


def test_a_request_of_the_agent_waits_until_it_is_answered() -> None:
    ledger = a_working_one()
    params: dict[str, Any] = {"toolCall": {"title": "run x"}, "options": []}
    ask = messages.Request("r-1", "session/request_permission", params)
    facts = ledger.take(SAID, ask)
    assert facts == [Taken("msg_1"), Asked('"r-1"', "r-1", ask.method, params, 6)]
    assert list(ledger.asked) == ['"r-1"']
    outcome = {"outcome": {"outcome": "selected", "optionId": "yes"}}
    ledger.take(TOLD, parse(messages.result("r-1", outcome)))
    assert ledger.asked == {}
    (item,) = [one for one in ledger.transcript.items if one.part is Part.PERMISSION]
    assert (item.text, item.state) == ("run x", "yes")


def test_requests_of_both_sides_may_have_the_same_id() -> None:
    ledger = a_working_one()
    said(ledger, messages.request(3, "session/request_permission", {}))
    ledger.take(TOLD, parse(messages.result(3, {"outcome": {"outcome": "cancelled"}})))
    assert ledger.turn is not None
    assert said(ledger, messages.result(3, {"stopReason": "end_turn"}))[-1] == Ended(
        "msg_1", "end_turn"
    )


def test_what_is_shown_of_it() -> None:
    ledger = a_working_one()
    for line in (
        update("plan", entries=[{"content": "a", "status": "pending", "priority": "low"}]),
        chunk("one "),
        chunk("two\nthree"),
        update("tool_call", toolCallId="t", title="write a", status="pending"),
        update("tool_call_update", toolCallId="t", status="completed"),
        update("something_new", value=1),
        update("agent_message_chunk", content={"type": "image", "data": "…"}),
    ):
        said(ledger, line)
    assert rendered(ledger.transcript.items).split("\n") == [
        "> do it", "= [pending] a", "● one two", "  three", "+ write a [completed]", "● [image]",
    ]  # fmt: skip


def test_only_what_changed_is_told_anew() -> None:
    ledger = a_working_one()
    said(ledger, update("tool_call", toolCallId="t", title="write a", status="pending"))
    known = ledger.transcript.changes
    assert ledger.transcript.since(known) == []
    said(ledger, update("tool_call_update", toolCallId="t", status="failed"))
    assert [item.state for item in ledger.transcript.since(known)] == ["failed"]


LINES = [
    (TOLD, messages.request(4, "session/prompt", prompt("s", "more", "msg_2"))),
    (TOLD, messages.notice("session/cancel", {"sessionId": "s"})),
    (TOLD, messages.result(7, {"outcome": {"outcome": "cancelled"}})),
    (SAID, messages.request(7, "session/request_permission", {"toolCall": {"title": "x"}})),
    (SAID, messages.request("7", "fs/read_text_file", {"path": "/x"})),
    (SAID, messages.result(3, {"stopReason": "end_turn"})),
    (SAID, messages.result(4, {"stopReason": "nonsense"})),
    (SAID, messages.refusal(4, 1, "no")),
    (SAID, chunk("text")),
    (SAID, update("agent_thought_chunk", content={"type": "text", "text": "hm"})),
    (SAID, update("tool_call", toolCallId="t", title="write a", status="pending")),
    (SAID, update("current_mode_update", currentModeId="yolo")),
    (SAID, update("usage_update", used=1, size=2, cost={"amount": 0.5, "currency": "USD"})),
    (SAID, b"not json at all\n"),
]


@given(st.lists(st.sampled_from(LINES), max_size=25), st.integers(0, 25))
def test_a_ledger_that_was_noted_goes_on_as_if_it_never_had_been(
    lines: list[tuple[Direction, bytes]], cut: int
) -> None:
    straight, noted_once = a_working_one(), a_working_one()
    for place, (direction, line) in enumerate(lines):
        if place == cut:
            noted_once = recalled(noted(noted_once))
        facts = straight.take(direction, parse(line))
        assert noted_once.take(direction, parse(line)) == facts
    assert noted_once == straight
    assert straight.count == 5 + len(lines)


def test_a_long_conversation_stays_within_bounds() -> None:
    ledger = a_working_one()
    for _ in range(200):
        said(ledger, chunk("x" * 15_000))
        said(ledger, update("tool_call", toolCallId="t", title="again", status="pending"))
        ledger.transcript.open = False
    assert len(noted(ledger)) < 1 << 20
