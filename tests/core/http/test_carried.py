"""A carrier takes requests to the vendor, and all else is as if they had gone there themselves."""

import pytest

from ao_core.errors import NotFound, Rejected
from ao_core.http import Api, GraphQL, Outgoing, Returned, Urgency
from receiver import Answer, Receiver

VENDOR = "https://vendor.example"


class Carrying:
    """Takes what it is given, and brings what it was told."""

    def __init__(self, *answers: Returned | Exception) -> None:
        self.taken: list[Outgoing] = []
        self._answers = list(answers)

    async def __call__(self, request: Outgoing) -> Returned:
        self.taken.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def api(carrier: Carrying) -> Api:
    return Api("vendor", VENDOR, carrier=carrier)


async def test_a_request_is_taken_with_its_marks() -> None:
    carrying = Carrying(Returned(200, {}, b'{"data":{}}'), Returned(200, {}, b'{"data":{}}'))
    async with api(carrying) as vendor:
        graph = GraphQL(vendor)
        await graph.ask("query { a }", into=object, urgency=Urgency.REFRESH)
        await graph.ask("mutation { a }", into=object)
    one, other = carrying.taken
    body = b'{"query":"query { a }","variables":{}}'
    assert one == Outgoing("POST", f"{VENDOR}/graphql", body, Urgency.REFRESH, read_only=True)
    assert (other.urgency, other.read_only) == (Urgency.ACT, False)


async def test_what_the_answer_says_of_its_own_connection_is_no_matter() -> None:
    headers = {"Content-Encoding": "gzip", "content-length": "1", "x-a": "b"}
    carrying = Carrying(Returned(200, headers, b"[1]"))
    async with api(carrying) as vendor:
        answer = await vendor.fetch("GET", "/a")
    assert (answer.body, answer.headers["x-a"]) == (b"[1]", "b")
    assert "content-encoding" not in answer.headers


async def test_a_refusal_is_the_vendors_and_a_failure_the_carriers() -> None:
    carrying = Carrying(Returned(404, {}, b""), Rejected("broker: not today"))
    async with api(carrying) as vendor:
        with pytest.raises(NotFound, match=r"^vendor: GET /a: 404"):
            await vendor.fetch("GET", "/a")
        with pytest.raises(Rejected, match=r"^broker: not today"):
            await vendor.fetch("GET", "/a")


async def test_a_text_that_is_kept_elsewhere_is_fetched_without_the_carrier(
    receiver: Receiver,
) -> None:
    receiver.answers.append(Answer(200, {"content-length": "4"}, body=b"text"))
    carrying = Carrying(Returned(302, {"location": f"{receiver.url}/kept"}, b""))
    async with Api("vendor", "http://127.0.0.1:9", carrier=carrying) as vendor:
        assert await vendor.last("/log", 100) == "text"
    assert [one.path for one in receiver.sent] == ["/kept"]
    assert len(carrying.taken) == 1
