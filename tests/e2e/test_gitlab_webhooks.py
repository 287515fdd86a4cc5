"""A GitLab that tells of changes: what a poll would find an hour later is seen at once."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from e2e.forge import begun, settings
from e2e.hosts import APP, OnGitLab
from e2e.test_webhooks import ON, ao, listed, set_up
from standins.gitlab import GitLab, hosted
from standins.gitlab.records import MergeRequest
from team import Team, git


@pytest.fixture
def gitlab(tmp_path: Path) -> Iterator[GitLab]:
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def team(tmp_path: Path, gitlab: GitLab) -> Iterator[Team]:
    """A project whose origin is there, and an engine that listens to HTTP."""
    host = OnGitLab(gitlab)
    repository = begun(host, tmp_path, settings(host, scm=host.unchecked()))
    one = Team(tmp_path / "home", repository, tmp_path / "run")
    one.home.mkdir(mode=0o700)
    (one.home / "config.yaml").write_text(ON)
    yield one.trusted()
    one.end()


def works(team: Team, gitlab: GitLab) -> tuple[str, MergeRequest]:
    """A worker has committed, and its merge request is there."""
    session = team.spawn("do: write a.txt one", "do: commit one")
    shown = team.until_so(session, lambda now: now["state"] == "idle" and now["commits"])
    git(Path(shown["path"]), "push", "-q", gitlab.remote(APP), shown["branch"])
    return session, gitlab.world.merge_request(APP, shown["branch"])


def test_what_the_host_tells_is_seen_without_a_poll(team: Team, gitlab: GitLab) -> None:
    shown = set_up(team)
    assert "was made" in shown["done"]
    assert (shown["repository"], shown["relay"]) == (APP, None)
    assert shown["url"].endswith("/webhooks/gitlab")
    assert "pipeline_events" in shown["events"]
    session, one = works(team, gitlab)
    team.until_so(session, lambda now: now["pull_request"] == "open")  # of which nobody knew
    gitlab.world.pipeline(one, {"build": "failed"})
    team.until(session, "ci_failed")
    gitlab.world.merge(one)
    team.until_so(session, lambda now: now["pull_request"] == "merged")
    assert {sent.status for sent in gitlab.deliveries} == {202}

    heard = listed(team)
    assert {"Push Hook", "Merge Request Hook", "Pipeline Hook"} <= {it["event"] for it in heard}
    assert session in {name for it in heard for name in it["sessions"]}
    checks = json.loads(ao(team, "doctor"))["checks"]
    assert [it["state"] for it in checks if it["name"] == "webhooks sample"] == ["ok"]
    log = (team.home / "engine.log").read_text()
    assert shown["secret"] not in log
    assert "Traceback" not in log


def test_what_is_not_its_own_is_refused(team: Team, gitlab: GitLab) -> None:
    shown = set_up(team)
    gitlab.world.commit(APP, "another", {"a.txt": "told\n"})
    good = gitlab.deliveries[-1]

    def post(body: bytes = good.body, **more: str) -> int:
        headers = {**good.headers, **{name.replace("_", "-"): it for name, it in more.items()}}
        return httpx2.post(shown["url"], content=body, headers=headers, timeout=20).status_code

    other: dict[str, Any] = {"project": {"path_with_namespace": "acme/xyz"}}
    found = {
        "wrong token": post(X_Gitlab_Token="other", Idempotency_Key="a"),
        "no token": post(X_Gitlab_Token="", Idempotency_Key="b"),
        "replay": post(),
        "wrong event": post(X_Gitlab_Event="Pipeline Hook", Idempotency_Key="c"),
        "unknown event": post(json.dumps({**json.loads(good.body), "new": 1}).encode(),
                              X_Gitlab_Event="Wiki Page Hook", Idempotency_Key="d"),
        "unknown project": post(json.dumps({**json.loads(good.body), **other}).encode()),
    }  # fmt: skip
    assert found == {
        "wrong token": 401, "no token": 401, "replay": 202, "wrong event": 400,
        "unknown event": 202, "unknown project": 404,
    }  # fmt: skip
