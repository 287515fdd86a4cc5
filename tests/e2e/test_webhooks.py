"""A host that tells of changes: what a poll would find an hour later is seen at once.

A pull request that nobody knows yet is not polled for at all while its worker rests: whatever
becomes of one here was told.
"""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from faces.terminal import AO
from standins.github import GitHub, hosted
from standins.github.hooks import Delivery, signature
from team import CONFIG, Team, git

ON = "http: {enabled: true}\n"


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def team(tmp_path: Path, github: GitHub) -> Iterator[Team]:
    """A project whose origin is there, and an engine that listens to HTTP."""
    api, token = f"{github.url}/api/v3", github.token
    scm = f"    scm: {{plugin: github, api: {api}, token: {token}}}\n"
    config = CONFIG.replace("    agent: command", f"{scm}    agent: command")
    repository = Team.new_repository(tmp_path / "sample", config)
    git(repository, "remote", "add", "origin", github.remote())
    git(repository, "push", "-q", "--force", "origin", "main")
    one = Team(tmp_path / "home", repository, tmp_path / "run")
    one.home.mkdir(mode=0o700)
    (one.home / "config.yaml").write_text(ON)
    yield one.trusted()
    one.end()


def ao(team: Team, *arguments: str) -> Any:
    done = subprocess.run(
        [*AO, *arguments, "--json"], env=team.env, cwd=team.repository, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0 or "doctor" in arguments, done
    return done.stdout


def set_up(team: Team) -> dict[str, Any]:
    """The webhook is ordered from the host, whose name for us is our own address."""
    url = team.call("about")["http"].removesuffix("/mcp")
    return json.loads(ao(team, "webhook", "setup", "--write", "--url", url))


def works(team: Team, github: GitHub) -> tuple[str, Any]:
    """A worker has committed, and its pull request is there."""
    session = team.spawn("do: write a.txt one", "do: commit one")
    shown = team.until_so(session, lambda now: now["state"] == "idle" and now["commits"])
    git(Path(shown["path"]), "push", "-q", "origin", shown["branch"])
    return session, github.world.pull("acme/app", shown["branch"])


def listed(team: Team) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ao(team, "webhook", "listen", "--once").splitlines()]


def test_what_the_host_tells_is_seen_without_a_poll(team: Team, github: GitHub) -> None:
    shown = set_up(team)
    assert "was made" in shown["done"]
    assert shown["repository"] == "acme/app"
    assert "check_run" in shown["events"]
    session, pull = works(team, github)
    team.until_so(session, lambda now: now["pull_request"] == "open")  # of which nobody knew
    github.world.check_run(pull, "build", "failure", app="some-ci")
    team.until(session, "ci_failed")
    github.world.merge(pull)
    team.until_so(session, lambda now: now["pull_request"] == "merged")
    assert {one.status for one in github.deliveries} == {202}

    heard = listed(team)
    assert heard[0]["event"] == "ping"
    assert {one["made_of_it"] for one in heard} == {"of no interest", "looked at"}
    assert session in {name for one in heard for name in one["sessions"]}
    checks = json.loads(ao(team, "doctor"))["checks"]
    (told,) = [one for one in checks if one["name"].startswith("webhooks ")]
    assert (told["state"], told["name"]) == ("ok", "webhooks sample")
    assert "10 minutes" in told["found"]
    log = (team.home / "engine.log").read_text()
    assert shown["secret"] not in log
    assert "Traceback" not in log


def last(github: GitHub, event: str) -> Delivery:
    return [one for one in github.deliveries if one.event == event][-1]


def test_abuse_is_refused_logged_once_and_harms_nobody(team: Team, github: GitHub) -> None:
    shown = set_up(team)
    url, secret = shown["url"], shown["secret"]
    session, _ = works(team, github)
    team.until_so(session, lambda now: now["pull_request"] == "open")
    good = last(github, "pull_request")
    before = len(listed(team))

    def post(body: bytes = good.body, **more: str) -> int:
        signed = {"X-Hub-Signature-256": signature(secret, body)}
        headers = {**good.headers, **signed} | {k.replace("_", "-"): v for k, v in more.items()}
        return httpx2.post(url, content=body, headers=headers, timeout=20).status_code

    other = good.body.replace(b"acme/app", b"acme/xyz")
    attempts: dict[str, Callable[[], int]] = {
        "wrong signature": lambda: post(X_Hub_Signature_256=signature("other", good.body)),
        "no signature": lambda: post(X_Hub_Signature_256=""),
        "another body": lambda: post(good.body + b" ", X_Hub_Signature_256=signature(secret, b"")),
        "replay": post,
        "replay under another id": lambda: post(X_GitHub_Delivery="another"),
        "giant body": lambda: post(b"x" * 5_000_000),
        "wrong event": lambda: post(X_GitHub_Event="check_run", X_GitHub_Delivery="w"),
        "unknown event": lambda: post(good.body + b" ", X_GitHub_Event="gollum"),
        "unknown repository": lambda: post(other, X_GitHub_Delivery="u"),
        "form": lambda: post(Content_Type="application/x-www-form-urlencoded"),
        "no json": lambda: post(b"payload", X_GitHub_Delivery="n"),
    }
    found = {name: {attempt() for _ in range(3)} for name, attempt in attempts.items()}
    assert found == {
        "wrong signature": {401}, "no signature": {401}, "another body": {401},
        "replay": {202}, "replay under another id": {202}, "giant body": {413},
        "wrong event": {400}, "unknown event": {202}, "unknown repository": {404},
        "form": {415}, "no json": {400},
    }  # fmt: skip
    assert httpx2.post(f"{url}x", json={}, timeout=20).status_code == 401
    assert not any(one["sessions"] for one in listed(team)[before:])  # nothing was looked at
    reasons = [line.split("came to nothing: ")[1] for line in team.log().splitlines()
               if "came to nothing" in line]  # fmt: skip
    assert len(reasons) == len(set(reasons))
    assert {
        "not signed with the secret", "repeated", "too large", "not a delivery of this host",
        "for a repository of no project", "not application/json", "no secret is configured",
    } <= set(reasons)  # fmt: skip
    assert "acme/xyz" not in team.log()
    team.tell(session, "do: say all is well")
    assert team.call("show", session=session)["pull_request"] == "open"


def test_with_another_secret_the_one_before_is_worth_nothing(team: Team, github: GitHub) -> None:
    first = json.loads(ao(team, "webhook", "setup"))
    again = json.loads(ao(team, "webhook", "setup"))
    assert (first["secret"], first["done"]) == (again["secret"], None)
    assert "--url" in first["problem"]
    assert first["relay"].startswith("gh webhook forward")
    assert first["secret"] not in first["relay"]
    second = json.loads(ao(team, "webhook", "setup", "--new"))
    assert second["secret"] != first["secret"]
    answers = dict[str, int]()
    for name, secret in (("first", first["secret"]), ("second", second["secret"])):
        body = json.dumps({"repository": {"full_name": "acme/app"}, "zen": name}).encode()
        headers = {
            "Content-Type": "application/json", "X-GitHub-Event": "ping",
            "X-GitHub-Delivery": name, "X-Hub-Signature-256": signature(secret, body),
        }  # fmt: skip
        answers[name] = httpx2.post(
            first["url"], content=body, headers=headers, timeout=30
        ).status_code
    assert answers == {"first": 401, "second": 202}
    team.kill_engine()
    after = json.loads(ao(team, "webhook", "setup"))
    assert (after["secret"], after["url"]) == (second["secret"], first["url"])
    assert after["secret"] not in (team.home / "engine.log").read_text()


def test_an_order_needs_an_address_that_the_host_can_reach(team: Team, github: GitHub) -> None:
    for arguments in (["--write"], ["--url", "http://ao.example.com"], ["--url", "nowhere"],
                      ["--url", "https://me:pw@ao.example.com"]):  # fmt: skip
        done = subprocess.run(
            [*AO, "webhook", "setup", *arguments], env=team.env, cwd=team.repository,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode != 0
        assert "https://ao.example.com" in done.stderr
    assert github.world.hooks == []
    shown = json.loads(ao(team, "webhook", "setup", "--url", "https://ao.example.com/behind/"))
    assert shown["url"] == "https://ao.example.com/behind/webhooks/github"
    assert shown["problem"] is None


def test_people_are_shown_what_to_enter_and_what_arrives(team: Team, github: GitHub) -> None:
    set_up(team)
    assert github.deliveries  # the ping
    for arguments, words in (
        (["setup"], ["payload URL", "/webhooks/github", "secret", "check_run", "gh webhook"]),
        (["listen", "--once"], ["github ping acme/app", "of no interest"]),
    ):
        done = subprocess.run(
            [*AO, "webhook", *arguments], env=team.env, cwd=team.repository,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=True,
        )  # fmt: skip
        assert all(word in done.stdout + done.stderr for word in words), done


def test_whoever_listens_sees_it_arrive(team: Team, github: GitHub) -> None:
    url = team.call("about")["http"].removesuffix("/mcp")
    listener = subprocess.Popen(
        [*AO, "webhook", "listen", "--json"], env=team.env, cwd=team.repository,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        ao(team, "webhook", "setup", "--write", "--url", url)
        assert listener.stdout
        assert json.loads(listener.stdout.readline())["event"] == "ping"
        team.kill_engine()
        ao(team, "webhook", "setup", "--write", "--url", url)  # which starts another
        github.world.commit("acme/app", "main", {"a.txt": "told\n"})
        assert json.loads(listener.stdout.readline())["event"] == "push"
    finally:
        listener.send_signal(signal.SIGINT)
        listener.communicate(timeout=20)
    assert listener.returncode == 0
