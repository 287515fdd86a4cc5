"""GraphQL says in the answer what is wrong, and a batch survives what is missing from it."""

import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from ao_core.errors import (
    NotFound,
    PluginError,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
)
from ao_core.http import Api, Budget, GraphQL, Part, Urgency, Variable
from ao_core.http.retry import Backoff
from ao_core.testing.clock import FakeClock
from receiver import Answer, Receiver, says

Entered = Callable[..., AbstractAsyncContextManager[Api]]
HOUR = 3_600


class Viewer(BaseModel):
    login: str


class Data(BaseModel):
    viewer: Viewer | None = None


class Pull(BaseModel):
    model_config = ConfigDict(strict=True)

    number: int
    merged_at: str | None = Field(default=None, alias="mergedAt")


def wrong(message: str = "no", *path: str | int, **more: object) -> dict[str, object]:
    return {"message": message, "path": list(path), **more}


def asked(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in receiver.sent]


async def test_a_question_goes_out_with_its_variables(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.append(says({"data": {"viewer": {"login": "me"}}}))
    async with entered() as api:
        found = await GraphQL(api).ask("query($a: Int!) { x }", {"a": 1}, into=Data)
    assert found == Data(viewer=Viewer(login="me"))
    assert [(one.method, one.path) for one in receiver.sent] == [("POST", "/api/graphql")]
    assert asked(receiver) == [{"query": "query($a: Int!) { x }", "variables": {"a": 1}}]


# -- repeating ---------------------------------------------------------------------------------


async def test_a_question_may_be_asked_again(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.extend([Answer(drop=True), Answer(502), says({"data": {}})])
    async with entered(backoff=Backoff(3, first=0.0)) as api:
        assert await GraphQL(api).ask("{ x }", into=Data) == Data()
    assert len(receiver.sent) == 3
    assert "idempotency-key" not in receiver.sent[0].headers


@pytest.mark.parametrize(
    ("document", "mutation"),
    [("{ x }", True), ("mutation { x }", False), ("# first\n  mutation M { x }", False)],
)
async def test_what_changes_something_is_sent_once(
    document: str, mutation: bool, entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(Answer(drop=True))
    async with entered(backoff=Backoff(3, first=0.0)) as api:
        with pytest.raises(Unavailable):
            await GraphQL(api).ask(document, into=Data, mutation=mutation)
    assert len(receiver.sent) == 1


async def test_a_question_is_a_reading_and_a_mutation_an_act(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    receiver.answers.extend([says({"data": {}}) for _ in range(3)])
    budget = Budget("x.test", fake_clock, changes_apart=99.0)
    async with entered(budget=budget) as api:
        graphql = GraphQL(api)
        await graphql.ask("{ x }", into=Data)
        await graphql.ask("{ x }", into=Data, urgency=Urgency.REFRESH)
        await graphql.ask("mutation { x }", into=Data)
        with pytest.raises(RateLimited, match="in 99 s"):  # a second change has to wait
            await graphql.ask("mutation { x }", into=Data)
    assert dict(budget.state().buckets["core"].spent) == {
        Urgency.ACT: 1,
        Urgency.READ: 1,
        Urgency.REFRESH: 1,
    }


# -- what is wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (wrong(type="NOT_FOUND"), NotFound),
        (wrong("Could not resolve to a node with the global id of 'x'"), NotFound),
        (wrong("Entity not found: Issue", extensions={"code": "INPUT_ERROR"}), NotFound),
        (wrong(type="FORBIDDEN"), Unauthorized),
        (wrong(type="INSUFFICIENT_SCOPES"), Unauthorized),
        (wrong(extensions={"code": "AUTHENTICATION_ERROR"}), Unauthorized),
        (wrong(extensions={"type": "authentication error"}), Unauthorized),
        (wrong(type="RATE_LIMITED"), RateLimited),
        (wrong(type="RATE_LIMIT", code="graphql_rate_limit"), RateLimited),
        (wrong(extensions={"code": "RATELIMITED", "type": "ratelimited"}), RateLimited),
        (wrong("You have exceeded a secondary rate limit"), RateLimited),
        (wrong(extensions={"code": "INTERNAL_SERVER_ERROR"}), Unavailable),
        (wrong(type="UNPROCESSABLE"), Rejected),
        (wrong(type={"odd": 1}, extensions=None), Rejected),
        ({}, Rejected),
    ],
)
async def test_what_is_wrong_is_an_error_of_its_kind(
    told: dict[str, object], error: type[PluginError], entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(says({"data": {"viewer": None}, "errors": [told]}))
    async with entered() as api:
        with pytest.raises(PluginError) as caught:
            await GraphQL(api).ask("{ x }", into=Data)
    assert type(caught.value) is error
    assert caught.value.status == 200


async def test_the_servers_words_are_not_in_the_message(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(says({"errors": [wrong("no\x1b[2J such\nbranch", type="ODD_TYPE")]}))
    async with entered() as api:
        with pytest.raises(Rejected) as caught:
            await GraphQL(api).ask("{ x }", into=Data)
    assert caught.value.message == "vendor: POST /graphql: refused"
    assert caught.value.said == "no such branch"


async def test_errors_that_come_with_400_are_read_too(entered: Entered, receiver: Receiver) -> None:
    told = {"errors": [wrong(extensions={"code": "RATELIMITED"})]}
    reset = {"x_ratelimit_requests_reset": "1767225720000"}
    left = {"x_ratelimit_requests_limit": "2500", "x_ratelimit_requests_remaining": "0"}
    receiver.answers.append(says(told, 400, **left, **reset))
    async with entered() as api:
        with pytest.raises(RateLimited) as caught:
            await GraphQL(api).ask("{ x }", into=Data)
    assert (caught.value.retry_after, caught.value.status) == (120, 400)


@pytest.mark.parametrize("answer", [says({"data": 3}), Answer(200, body=b"<html>"), says([])])
async def test_an_answer_of_another_shape_is_none(
    answer: Answer, entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(answer)
    async with entered() as api:
        with pytest.raises(Unavailable, match="unexpected answer"):
            await GraphQL(api).ask("{ x }", into=Data)


async def test_some_of_it_is_had_with_what_is_wrong_with_the_rest(
    entered: Entered, receiver: Receiver
) -> None:
    told = [wrong("gone", "viewer", "repositories", 3, type="NOT_FOUND"), wrong(type="FORBIDDEN")]
    partial = {"data": {"viewer": {"login": "me"}}, "errors": told}
    receiver.answers.extend([says(partial), says(partial), says({"data": None, "errors": told})])
    async with entered() as api:
        data, faults = await GraphQL(api).ask_some("{ x }", into=Data)
        assert data.viewer == Viewer(login="me")
        assert [(type(one.error), one.path) for one in faults] == [
            (NotFound, ("viewer", "repositories", 3)),
            (Unauthorized, ()),
        ]
        with pytest.raises(NotFound):
            await GraphQL(api).ask("{ x }", into=Data)
        with pytest.raises(NotFound):
            await GraphQL(api).ask_some("{ x }", into=Data)


# -- the budget --------------------------------------------------------------------------------


async def test_what_it_has_cost_is_told_to_the_budget(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    rate = {"cost": 7, "limit": 5_000, "remaining": 4_000, "resetAt": "2026-01-01T01:00:00Z"}
    receiver.answers.append(says({"data": {"rateLimit": rate}}))
    receiver.answers.append(says({"data": {"rateLimit": {"cost": "?"}}}))
    budget = Budget("x.test", fake_clock)
    async with entered(budget=budget) as api:
        await GraphQL(api).ask("{ x }", into=Data)
        await GraphQL(api).ask("{ x }", into=Data)
    state = budget.state().buckets["graphql"]
    assert (state.limit, state.remaining, state.spent[Urgency.READ]) == (5_000, 4_000, 6)
    assert state.resets_at is not None
    assert state.resets_at.isoformat() == "2026-01-01T01:00:00+00:00"


@pytest.mark.parametrize(("headers", "wait"), [({}, 60), ({"retry_after": "90"}, 90)])
async def test_a_limit_that_is_told_with_success_is_a_pause(
    headers: dict[str, str],
    wait: int,
    entered: Entered,
    receiver: Receiver,
    fake_clock: FakeClock,
) -> None:
    receiver.answers.append(says({"errors": [wrong(type="RATE_LIMITED")]}, 200, **headers))
    budget = Budget("x.test", fake_clock)
    async with entered(budget=budget) as api:
        for _ in range(2):
            with pytest.raises(RateLimited) as caught:
                await GraphQL(api).ask("{ x }", into=Data)
            assert caught.value.retry_after == wait
    assert len(receiver.sent) == 1


async def test_a_limit_that_only_words_tell_of_is_a_pause(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    receiver.answers.append(says({"message": "You have exceeded a secondary rate limit."}, 403))
    budget = Budget("x.test", fake_clock)
    async with entered(budget=budget) as api:
        for _ in range(2):
            with pytest.raises(RateLimited) as caught:
                await api.ask("GET", into=object)
            assert caught.value.retry_after == 60
    assert len(receiver.sent) == 1


async def test_what_is_redirected_or_repeated_is_paid_for_each_time(
    entered: Entered, receiver: Receiver, fake_clock: FakeClock
) -> None:
    receiver.answers.extend([Answer(502), Answer(301, {"Location": "/b"}), says(1), says(1)])
    budget = Budget("x.test", fake_clock, at_once=1)
    async with entered(budget=budget, backoff=Backoff(2, first=0.0)) as api:
        assert await api.ask("GET", "/a", into=int, urgency=Urgency.REFRESH) == 1
        assert await api.ask("GET", "/a", into=int, urgency=Urgency.REFRESH) == 1
    assert budget.state().buckets["core"].spent[Urgency.REFRESH] == 4


# -- batches -----------------------------------------------------------------------------------


def pull(number: int, **more: Variable) -> Part:
    variables = {"number": Variable("Int!", number), **more}
    return Part("pull(number: $number) { ...P }", variables)


async def test_many_questions_are_one_document(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.append(says({"data": {"a0": {"number": 1}, "a1": {"number": 2}}}))
    parts = {"o/r#1": pull(1), 'x" }': pull(2)}
    fragment = "fragment P on Pull { number }"
    async with entered() as api:
        found = await GraphQL(api).batch(parts, into=Pull, fragments=fragment)
    assert found == {"o/r#1": Pull(number=1), 'x" }': Pull(number=2)}
    (sent,) = asked(receiver)
    assert sent["query"] == (
        "query($a0_number: Int!, $a1_number: Int!) {\n"
        "a0: pull(number: $a0_number) { ...P }\n"
        "a1: pull(number: $a1_number) { ...P }\n"
        "}\n"
        "fragment P on Pull { number }"
    )
    assert sent["variables"] == {"a0_number": 1, "a1_number": 2}


async def test_what_is_missing_from_a_batch_is_missing_alone(
    entered: Entered, receiver: Receiver
) -> None:
    data = {"a0": {"number": 1}, "a1": None, "a2": {"number": "odd"}, "a3": None, "a4": {"b": None}}
    told = [
        wrong("x", "a1", type="NOT_FOUND"),
        {"message": "too much", "type": "RESOURCE_LIMITS_EXCEEDED"},
        wrong("x", "a4", "b", type="FORBIDDEN"),
    ]
    receiver.answers.append(says({"data": data, "errors": told}))
    async with entered() as api:
        found = await GraphQL(api).batch({name: pull(1) for name in "abcde"}, into=Pull)
    assert found["a"] == Pull(number=1)
    assert [type(found[name]) for name in "bcde"] == [NotFound, Unavailable, Rejected, Unauthorized]


async def test_a_batch_is_sent_in_so_many_at_a_time(entered: Entered, receiver: Receiver) -> None:
    receiver.answers.extend([says({"data": {f"a{n}": {"number": n} for n in range(2)}})] * 3)
    async with entered() as api:
        parts = {str(number): pull(number) for number in range(5)}
        found = await GraphQL(api, costs=True).batch(parts, into=Pull, most_parts=2)
    assert list(found) == ["0", "1", "2", "3", "4"]
    assert [one["variables"] for one in asked(receiver)] == [
        {"a0_number": 0, "a1_number": 1},
        {"a0_number": 2, "a1_number": 3},
        {"a0_number": 4},
    ]
    assert asked(receiver)[0]["query"].endswith("\nrateLimit { cost limit remaining resetAt }\n}")


async def test_some_that_are_not_answered_keep_no_others(
    entered: Entered, receiver: Receiver
) -> None:
    told = says({"data": {"a0": {"number": 1}}})
    receiver.answers.extend([told, Answer(502), told, Answer(503), Answer(502)])
    async with entered() as api:
        graph = GraphQL(api)
        found = await graph.batch({name: pull(1) for name in "abc"}, into=Pull, most_parts=1)
        assert [type(found[name]) for name in "abc"] == [Pull, Unavailable, Pull]
        with pytest.raises(Unavailable) as caught:
            await graph.batch({name: pull(1) for name in "ab"}, into=Pull, most_parts=1)
    assert caught.value.status == 503


async def test_no_questions_are_not_sent(entered: Entered, receiver: Receiver) -> None:
    async with entered() as api:
        assert await GraphQL(api).batch({}, into=Pull) == {}
    assert receiver.sent == []


async def test_what_looks_like_a_variable_in_a_text_is_none(
    entered: Entered, receiver: Receiver
) -> None:
    receiver.answers.append(says({"data": {"a0": {"number": 1}}}))
    selection = 'x(a: "$n \\" $n", b: """$n " $n""", c: $n) { y } # $n'
    async with entered() as api:
        await GraphQL(api).batch({"a": Part(selection, {"n": Variable("Int", 1)})}, into=Pull)
    assert (
        'a0: x(a: "$n \\" $n", b: """$n " $n""", c: $a0_n) { y } # $n'
        in (asked(receiver)[0]["query"])
    )


async def test_a_variable_that_was_not_given_is_a_mistake(entered: Entered) -> None:
    async with entered() as api:
        with pytest.raises(ValueError, match=r"a: \$other is none of its variables"):
            await GraphQL(api).batch({"a": Part("x(y: $other)")}, into=Pull)
