"""What an engine asks its client through the relay, line by line; tests play both ends."""

from typing import Any

from faces.both_ends import Client, Engine, engines
from faces.home import LEGACY, request

YES = {"action": "accept"}


def begun(client: Client, *every: Engine) -> None:
    """The first engine has shaken hands."""
    client.say(request(0, "initialize", LEGACY))
    first = every[0]
    assert first.hear()["method"] == "initialize"
    first.say(id=0, result={})
    assert client.hear()["id"] == 0


def asked(client: Client, engine: Engine, call: int, tool: str) -> dict[str, Any]:
    """A call that makes the engine ask; the question, as the client has it."""
    client.say(request(call, "tools/call", {"name": tool}))
    while engine.hear().get("id") != call:
        pass
    engine.say(id=1, method="elicitation/create", params={"message": tool})
    question = client.hear()
    assert question["method"] == "elicitation/create"
    assert question["params"] == {"message": tool}
    return question


def answer(question: dict[str, Any]) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": question["id"], "result": YES}


def withdrawn(client: Client) -> str:
    heard = client.hear()
    assert heard["method"] == "notifications/cancelled"
    return heard["params"]["requestId"]


def test_an_answer_goes_back_under_the_engines_own_id() -> None:
    engine = Engine()
    with engines(engine) as client:
        begun(client, engine)
        question = asked(client, engine, 7, "merge")
        client.say(answer(question))
        assert engine.hear() == {"jsonrpc": "2.0", "id": 1, "result": YES}


def test_an_answer_to_a_dead_engines_question_is_no_answer_to_the_next_ones() -> None:
    dead, alive = Engine(), Engine()
    with engines(dead, alive) as client:
        begun(client, dead)
        first = asked(client, dead, 7, "one")
        dead.die()
        assert withdrawn(client) == first["id"]
        assert client.hear()["id"] == 7  # that the engine went away
        second = asked(client, alive, 8, "another")
        assert second["id"] != first["id"]
        error = {"jsonrpc": "2.0", "id": first["id"], "error": {"code": -1, "message": "late"}}
        client.say(answer(first), error, request(9, "ping", {}), answer(second), answer(second))
        assert alive.hear()["method"] == "ping"
        assert alive.hear() == {"jsonrpc": "2.0", "id": 1, "result": YES}
        client.say(request(10, "ping", {}))
        assert alive.hear()["id"] == 10  # the second time it was no answer


def test_an_answer_that_was_not_sent_before_the_engine_went_is_for_nobody() -> None:
    dead, alive = Engine(), Engine()
    with engines(dead, alive) as client:
        begun(client, dead)
        first = asked(client, dead, 7, "one")
        dead.die()
        assert withdrawn(client) == first["id"]
        client.say(answer(first), request(8, "ping", {}))
        heard = [alive.hear()["method"] for _ in range(2)]
        assert heard == ["initialize", "ping"]


def test_a_question_that_the_engine_withdraws_is_withdrawn_under_the_clients_id() -> None:
    engine = Engine()
    with engines(engine) as client:
        begun(client, engine)
        question = asked(client, engine, 7, "merge")
        engine.say(method="notifications/cancelled", params={"requestId": 1, "reason": "late"})
        assert withdrawn(client) == question["id"]
        client.say(answer(question), request(8, "ping", {}))
        assert engine.hear()["method"] == "ping"


def test_what_is_withdrawn_and_was_no_question_is_passed_on() -> None:
    engine = Engine()
    with engines(engine) as client:
        begun(client, engine)
        engine.say(method="notifications/cancelled", params={"requestId": "stream"})
        assert withdrawn(client) == "stream"
