"""The scripted model leads by what it is told, and refuses what a real one would refuse."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from http.client import HTTPConnection
from typing import Any

import pytest

from clients.leading import FINAL, Call, Done, next_step
from clients.model import Model
from models.server import KEY, ROUTES, serving

Body = Mapping[str, Any]
MESSAGES, RESPONSES, CHAT = "/v1/messages", "/v1/responses", "/v1/chat/completions"
GEMINI = "/v1beta/models/scripted:streamGenerateContent"
USER = [{"role": "user", "content": "?"}]
SCHEMA: Body = {"type": "object"}


def messages(tools: Sequence[str]) -> Body:
    offered = [{"name": name, "input_schema": SCHEMA} for name in tools]
    return {"model": "m", "max_tokens": 9, "stream": True, "messages": USER, "tools": offered}


def responses(tools: Sequence[str]) -> Body:
    offered = [{"type": "function", "name": name, "parameters": SCHEMA} for name in tools]
    return {"model": "m", "stream": True, "input": [{"type": "message"}], "tools": offered}


def chat(tools: Sequence[str]) -> Body:
    functions = [{"name": name, "parameters": SCHEMA} for name in tools]
    offered = [{"type": "function", "function": function} for function in functions]
    return {"model": "m", "stream": True, "messages": USER, "tools": offered}


def gemini(tools: Sequence[str]) -> Body:
    offered = [{"functionDeclarations": [{"name": name} for name in tools]}]
    return {"contents": [{"parts": [{"text": "?"}]}], "tools": offered}


ASKED: Mapping[str, Callable[[Sequence[str]], Body]] = {
    MESSAGES: messages, RESPONSES: responses, CHAT: chat, GEMINI: gemini,
}  # fmt: skip
OURS = ("ao_list_issues", "ao_spawn", "bash")


@pytest.fixture
def model() -> Generator[Model]:
    with serving(Model("ao_{}")) as one:
        yield one


def post(model: Model, path: str, body: object, key: str = KEY) -> tuple[int, str]:
    header = ROUTES[path].key if path in ROUTES else "authorization"
    given = f"Bearer {key}" if header == "authorization" else key
    connection = HTTPConnection(model.url.removeprefix("http://"), timeout=5)
    connection.request("POST", path, json.dumps(body), {header: given})
    answer = connection.getresponse()
    read = answer.read().decode()
    connection.close()
    return answer.status, read


@pytest.mark.parametrize("path", ASKED)
def test_it_leads_whoever_offers_our_tools(model: Model, path: str) -> None:
    status, said = post(model, path, ASKED[path](OURS))
    assert (status, model.said) == (200, [Call("list_issues", {})])
    assert '"ao_list_issues"' in said
    assert model.offered == {"list_issues", "spawn"}


@pytest.mark.parametrize("path", ASKED)
def test_whoever_has_none_of_our_tools_gets_a_word(model: Model, path: str) -> None:
    status, said = post(model, path, ASKED[path](["bash"]))
    assert (status, model.said) == (200, [])
    assert "Noted." in said


@pytest.mark.parametrize("path", ASKED)
def test_without_its_key_it_says_nothing(model: Model, path: str) -> None:
    status, _ = post(model, path, ASKED[path](OURS), key="another")
    assert (status, model.said) == (401, [])


@pytest.mark.parametrize("path", ["/", "/v1/completions", "/v1beta/models/other:generateContent"])
def test_no_other_route_is_there(model: Model, path: str) -> None:
    assert post(model, path, chat(OURS))[0] == 404
    assert len(model.refused) == 1


@pytest.mark.parametrize("path", ASKED)
@pytest.mark.parametrize("body", [{}, [], "x", {"messages": [], "input": [], "contents": []}])
def test_a_body_of_another_form_is_refused(model: Model, path: str, body: object) -> None:
    assert post(model, path, body)[0] == 400


CALLED = {"id": "call_0", "function": {"name": "ao_list_issues", "arguments": "{}"}}
ASSISTANT = {"role": "assistant", "content": None, "tool_calls": [CALLED]}
RESULT = {"role": "tool", "tool_call_id": "call_0", "content": "{}"}


@pytest.mark.parametrize(
    "past",
    [
        [ASSISTANT],
        [RESULT],
        [ASSISTANT, {**RESULT, "tool_call_id": "call_1"}],
        [ASSISTANT, RESULT, RESULT],
    ],
    ids=["no-result", "no-call", "another-call", "twice"],
)
def test_calls_and_results_have_to_agree(model: Model, past: list[Body]) -> None:
    status, said = post(model, CHAT, {**chat(OURS), "messages": [*USER, *past]})
    assert (status, "do not agree" in said) == (400, True)


# -- the script ------------------------------------------------------------------------------------


def done(tool: str, reply: Body, /, **arguments: object) -> Done:
    return Done(Call(tool, arguments), f"told: {json.dumps(reply)} (in 1 s)")


ISSUES = done("list_issues", {"issues": [{"issue": "1"}, {"issue": "2"}]})
FIRST = done("spawn", {"session": "s-1", "cursor": 3}, issue="1", key="spawn-1")
SECOND = done("spawn", {"session": "s-2", "cursor": 5}, issue="2", key="spawn-2")
LOST: Body = {"code": "engine_restarted", "retryable": True}
WAIT = Call("wait", {"cursor": 3})
ASKS = {"session": "s-1", "status": "needs_input"}
NEWS = done("wait", {"cursor": 9, "changed": [ASKS]}, cursor=3)


def test_it_begins_with_the_issues_and_delegates_each() -> None:
    assert next_step([]) == Call("list_issues", {})
    assert next_step([ISSUES]) == FIRST.call
    assert next_step([ISSUES, FIRST]) == SECOND.call
    assert next_step([ISSUES, FIRST, SECOND]) == WAIT


def test_a_call_that_was_lost_is_made_again_as_it_was() -> None:
    lost = Done(FIRST.call, json.dumps(LOST))
    assert next_step([ISSUES, lost]) == Call("list", {})
    assert next_step([ISSUES, lost, done("list", {"sessions": []})]) == FIRST.call


def test_an_error_is_found_in_whatever_a_client_puts_around_it() -> None:
    wrapped = f'call {{"name":"spawn"}} failed: [{{"response":{{"error":{json.dumps(LOST)}}}}}]'
    assert Done(FIRST.call, wrapped).error == LOST
    plain = Done(FIRST.call, "not allowed").error
    assert plain is not None
    assert not plain["retryable"]


def test_it_answers_once_waits_from_the_last_cursor_and_merges_what_is_done() -> None:
    past = [ISSUES, FIRST, SECOND, NEWS]
    step = next_step(past)
    assert isinstance(step, Call)
    assert (step.tool, step.arguments["session"]) == ("answer", "s-1")
    past.append(Done(step, json.dumps({"state": "accepted"})))
    assert next_step(past) == Call("wait", {"cursor": 9})
    ready = [{"session": name, "status": "pr_open"} for name in ("s-1", "s-2")]
    past.append(done("wait", {"cursor": 12, "changed": ready}, cursor=9))
    for name in ("s-1", "s-2"):
        step = next_step(past)
        assert step == Call("merge", {"session": name, "key": f"merge-{name}"})
        past.append(done("merge", {"merged": True}, session=name))
    assert next_step(past) == FINAL
