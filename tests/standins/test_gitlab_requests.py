"""Who is let in by the stand-in for GitLab, what is refused, and what goes wrong by arrangement."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from standins.gitlab import GitLab
from standins.gitlab.rest import ROUTES, Answer

APP = "/projects/acme%2Fapp"


def test_whoever_brings_a_known_token_is_told_who_they_are(
    gitlab: GitLab, asking: httpx.Client
) -> None:
    assert asking.get("/user").json()["username"] == "root"
    bearer = {"authorization": f"Bearer {gitlab.token}"}
    assert httpx.get(f"{gitlab.api}/user", headers=bearer, trust_env=False).status_code == 200


@pytest.mark.parametrize("headers", [{"private-token": "wrong"}, {"authorization": "Basic x"}, {}])
def test_nobody_else_is_let_in(gitlab: GitLab, headers: dict[str, str]) -> None:
    answer = httpx.get(f"{gitlab.api}/user", headers=headers, trust_env=False)
    assert (answer.status_code, answer.json()["message"]) == (401, "401 Unauthorized")


def test_a_token_that_may_only_read_does_not_write(gitlab: GitLab, asking: httpx.Client) -> None:
    gitlab.world.token("reading", may_write=False)
    asking.headers["private-token"] = "reading"
    assert asking.get(APP).status_code == 200
    answer = asking.post(f"{APP}/issues", json={"title": "x"})
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_a_project_is_found_by_its_path_or_id_and_only_by_its_members(
    gitlab: GitLab, asking: httpx.Client
) -> None:
    made = gitlab.world.project("acme/team/app", tier="free")
    told = asking.get("/projects/acme%2Fteam%2Fapp").json()
    assert (told["id"], told["namespace"]["full_path"]) == (made.id, "acme/team")
    assert asking.get(f"/projects/{made.id}").json()["path_with_namespace"] == "acme/team/app"
    gitlab.world.token("other", "somebody")
    asking.headers["private-token"] = "other"
    answer = asking.get("/projects/acme%2Fteam%2Fapp")
    assert (answer.status_code, answer.json()["message"]) == (404, "404 Project Not Found")


@pytest.mark.parametrize("path", ["/no/such", f"{APP}/issues/1/merge", "/projects/acme/app"])
def test_a_way_that_leads_nowhere_is_told_of(
    gitlab: GitLab, asking: httpx.Client, path: str
) -> None:
    gitlab.expect("nobody described it")
    assert asking.get(path).status_code == 404


@pytest.mark.parametrize(
    ("body", "violation"),
    [
        ({}, "'title' is a required property"),
        ({"title": "x", "assignee_ids": "me"}, "'me' is not of type 'array'"),
        ({"title": "x", "colour": "red"}, "'colour' was unexpected"),
        (None, "a body is needed"),
    ],
)
def test_a_body_that_is_not_as_described_is_refused(
    gitlab: GitLab, asking: httpx.Client, body: object, violation: str
) -> None:
    gitlab.expect(violation)
    answer = asking.post(f"{APP}/issues", **({} if body is None else {"json": body}))  # pyright: ignore[reportArgumentType]
    assert (answer.status_code, list(answer.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("query", "violation"),
    [("state=open", "state: .*'open' is not one of"), ("no=1", "no: nobody described it")],
)
def test_a_query_that_is_not_as_described_is_refused(
    gitlab: GitLab, asking: httpx.Client, query: str, violation: str
) -> None:
    gitlab.expect(violation)
    assert asking.get(f"{APP}/issues?{query}").status_code == 400


def test_only_json_is_taken(gitlab: GitLab, asking: httpx.Client) -> None:
    gitlab.expect("takes JSON alone")
    assert asking.post(f"{APP}/issues", data={"title": "x"}).status_code == 415
    headers = {"content-type": "application/json"}
    assert asking.post(f"{APP}/issues", content="{", headers=headers).status_code == 400


def test_an_answer_that_is_not_as_described_is_told_of(
    gitlab: GitLab, asking: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"id": "1", "created_at": "2026-01-01T00:00:00Z"}
    monkeypatch.setitem(ROUTES, "user/get", lambda _: Answer(200, told))
    gitlab.expect("user/get is not as it is described: .*'1' is not of type 'integer'")
    asking.get("/user")


def test_pages_are_told_in_headers_and_links(gitlab: GitLab, asking: httpx.Client) -> None:
    for number in range(5):
        gitlab.world.issue("acme/app", f"issue {number}")
    asked = {"per_page": 2, "order_by": "created_at", "sort": "asc"}
    first = asking.get(f"{APP}/issues", params=asked)
    names = ("x-total", "x-total-pages", "x-page", "x-next-page", "x-prev-page")
    assert [first.headers[name] for name in names] == ["5", "3", "1", "2", ""]
    second = asking.get(first.links["next"]["url"])
    assert [one["iid"] for one in second.json()] == [3, 4]
    last = asking.get(first.links["last"]["url"])
    assert ([one["iid"] for one in last.json()], last.headers["x-next-page"]) == ([5], "")
    assert "next" not in last.links


def test_what_is_known_is_not_sent_again(gitlab: GitLab, asking: httpx.Client) -> None:
    first = asking.get(f"{APP}/issues")
    same = {"if-none-match": first.headers["etag"]}
    assert asking.get(f"{APP}/issues", headers=same).status_code == 304
    gitlab.world.issue("acme/app", "new")
    assert asking.get(f"{APP}/issues", headers=same).status_code == 200


def test_what_may_be_asked_in_a_minute_is_limited(gitlab: GitLab, asking: httpx.Client) -> None:
    assert asking.get("/user").headers["ratelimit-remaining"] == "1999"
    gitlab.limit.exhaust()
    refused = asking.get("/user")
    assert (refused.status_code, refused.text) == (429, "Retry later\n")
    assert 0 < int(refused.headers["retry-after"]) <= 60
    now = gitlab.world.now()
    gitlab.world.now = lambda: now + 61
    assert asking.get("/user").status_code == 200


# -- what goes wrong -------------------------------------------------------------------------------


def test_a_lost_reply_leaves_the_work_done(gitlab: GitLab, asking: httpx.Client) -> None:
    gitlab.faults.next("POST /projects/{id}/issues", "lost reply")
    with pytest.raises(httpx.RemoteProtocolError):
        asking.post(f"{APP}/issues", json={"title": "x"})
    assert [one["title"] for one in asking.get(f"{APP}/issues").json()] == ["x"]
    (call,) = gitlab.called("issues/create")
    assert (call.status, call.fault) == (201, "lost reply")


def test_errors_come_as_often_as_arranged(gitlab: GitLab, asking: httpx.Client) -> None:
    gitlab.faults.next("user/get", "server error", times=2, status=503)
    gitlab.faults.next("user/get", "not JSON")
    gitlab.faults.next("*", "secondary limit", retry_after=7)
    said = [asking.get("/user") for _ in range(5)]
    assert [one.status_code for one in said] == [503, 503, 502, 429, 200]
    assert said[3].headers["retry-after"] == "7"


def test_an_answer_may_be_late_or_giant_or_end_in_the_middle(
    gitlab: GitLab, asking: httpx.Client
) -> None:
    gitlab.faults.next("*", "slow", seconds=60)
    with pytest.raises(httpx.ReadTimeout):
        asking.get("/user", timeout=0.05)
    gitlab.faults.next("*", "giant", size=1_000_000)
    giant = asking.get("/user")
    assert (len(giant.content) > 1_000_000, giant.json()["username"]) == (True, "root")
    gitlab.faults.next("*", "truncated")
    with pytest.raises(httpx.RemoteProtocolError):
        asking.get("/user")


def test_a_person_can_start_it_by_hand() -> None:
    argv = [sys.executable, "-m", "standins.gitlab"]
    with subprocess.Popen(
        argv, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout
        told = {(words := one.stdout.readline().split())[0]: words[1] for _ in range(2)}
        issues = httpx.get(
            f"{told['address']}/api/v4{APP}/issues", headers={"private-token": told["token"]},
            trust_env=False,
        )  # fmt: skip
        one.send_signal(signal.SIGTERM)
    assert re.match("The first", issues.json()[0]["title"])
    assert one.returncode == 0
