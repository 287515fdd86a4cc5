"""GitHub's webhooks: whose they are, what each event names, and how they are ordered."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import BadRequest, Unauthorized
from ao_core.plugin import Scope
from ao_core.slots.scm import Notice, Posted
from ao_core.testing.repository import sample
from ao_plugins._github.hooks import GitHubHooks
from ao_plugins._github.told import EVENTS, noticed
from ao_plugins.scm.github import GitHubScm, GitHubScmConfig
from receiver import Receiver
from standins import specs
from standins.github import GitHub, hosted
from standins.github.hooks import signature
from standins.github.host import rest_described

MOMENT = "2026-01-01T00:00:00Z"
SECRET = "It's a Secret to Everybody"  # of GitHub's own example, with what it comes to
EXAMPLE = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def posted(event: str, body: object, **more: str) -> Posted:
    headers = {"x-github-event": event, "x-github-delivery": "d-1", **more}
    return Posted(headers, json.dumps(body).encode(), 0.0)


class Bare(GitHubHooks):
    """One that is not open."""

    def __init__(self) -> None:
        """Nothing to open."""


# -- whose it is -----------------------------------------------------------------------------------


def test_what_is_signed_with_the_secret_is_theirs() -> None:
    body = b"Hello, World!"
    assert Bare().signed(Posted({"x-hub-signature-256": EXAMPLE}, body, 0.0), SECRET)


@pytest.mark.parametrize(
    "given",
    ["", "sha256=", EXAMPLE[:-1], EXAMPLE + "0", EXAMPLE.removeprefix("sha256="), EXAMPLE.upper(),
     f"{EXAMPLE}, {EXAMPLE}", signature("other", b"Hello, World!"), "sha256=\udcff", "é" * 71],
)  # fmt: skip
def test_any_other_signature_is_nobodys(given: str) -> None:
    one = Posted({"x-hub-signature-256": given}, b"Hello, World!", 0.0)
    assert not Bare().signed(one, SECRET)


def test_another_body_and_the_old_signature_are_nobodys() -> None:
    assert not Bare().signed(Posted({"x-hub-signature-256": EXAMPLE}, b"Hello, World", 0.0), SECRET)
    assert not Bare().signed(Posted({"x-hub-signature": EXAMPLE}, b"Hello, World!", 0.0), SECRET)


# -- what it names ---------------------------------------------------------------------------------


@pytest.fixture
def github(tmp_path: Path) -> Iterator[GitHub]:
    with hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


def heard(receiver: Receiver, github: GitHub) -> list[Notice]:
    assert github.deliveries
    return [noticed(Posted(sent.headers, sent.body, 0.0)) for sent in receiver.sent]


def test_what_happens_to_a_pull_request_names_it(github: GitHub, receiver: Receiver) -> None:
    world = github.world
    first = world.commit("acme/app", "ao/app-1-x", {"a.txt": "one\n"})
    pull = world.pull("acme/app", "ao/app-1-x")
    world.hook(receiver.url, SECRET)
    second = world.commit("acme/app", "ao/app-1-x", {"a.txt": "two\n"})
    world.check_run(pull, "build")
    world.status(pull, "deploy")
    world.resolve(world.thread(pull, "a.txt", 1, "why?"))
    world.review(pull)
    world.comment(pull, "I see.")
    world.merge(pull)
    found = heard(receiver, github)
    events = {one.event for one in found}
    assert events == {"ping", *EVENTS} - {"workflow_run", "merge_group"}
    assert {one.repository for one in found} == {"acme/app"}
    assert len({one.delivery for one in found}) == len(found)
    ping, *others = found
    assert ping.names_nothing
    for one in others:
        if one.event == "push" and "main" in one.moved:
            continue  # of the merge
        by_number, by_branch = pull.number in one.pulls, "ao/app-1-x" in one.branches
        assert by_number or by_branch or second in one.commits, one
    named = {one.event: one for one in others}
    assert named["issue_comment"].pulls == {pull.number}
    assert named["check_run"].commits == named["status"].commits == {second}
    assert all(one.moved == one.branches for one in others if one.event == "push")
    assert all(not one.moved for one in others if one.event != "push")
    assert first not in {sha for one in others for sha in one.commits}


def test_issues_and_tags_and_what_nobody_ordered_name_nothing(
    github: GitHub, receiver: Receiver
) -> None:
    github.world.hook(receiver.url, SECRET)
    github.world.comment(github.world.issue("acme/app", "news"), "I see.")
    found = heard(receiver, github)
    assert [one.event for one in found] == ["ping", "issues", "issue_comment"]
    assert all(one.names_nothing for one in found)
    tag = {"ref": "refs/tags/v1", "after": "a" * 40, "repository": {"full_name": "acme/app"}}
    assert noticed(posted("push", tag)).names_nothing
    gone = {**tag, "ref": "refs/heads/x", "after": "0" * 40}
    assert noticed(posted("push", gone)).branches == {"x"}
    assert not noticed(posted("push", gone)).commits


def described(name: str, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the vendor's description makes of these facts."""
    api = rest_described(specs.wanted("github-rest.json.gz"))
    told = api.schemas.filled(api.event(name), facts)
    assert not api.schemas.complaints(api.event(name), told)
    return told


def test_events_that_the_stand_in_does_not_tell_of(github: GitHub) -> None:
    at = {"full_name": "acme/app"}
    at_some_time = dict.fromkeys(("created_at", "updated_at", "run_started_at"), MOMENT)
    run = {"head_branch": "ao/app-1-x", "head_sha": "a" * 40, **at_some_time}
    told = described("workflow-run-completed", {"workflow_run": run, "repository": at})
    one = noticed(posted("workflow_run", told))
    assert (one.branches, one.commits, one.moved) == ({"ao/app-1-x"}, {"a" * 40}, frozenset())
    commit = {"timestamp": MOMENT}
    group = {
        "head_commit": commit,
        "head_sha": "b" * 40,
        "base_ref": "refs/heads/main",
        "head_ref": "refs/heads/q",
    }
    told = described("merge-group-checks-requested", {"merge_group": group, "repository": at})
    one = noticed(posted("merge_group", told))
    assert (one.moved, one.commits) == ({"main"}, frozenset())


REPOSITORY = {"repository": {"full_name": "acme/app"}}


@pytest.mark.parametrize(
    ("event", "body"),
    [
        ("pull_request", REPOSITORY),
        ("pull_request", {**REPOSITORY, "issue": {"number": 1}}),
        ("pull_request", {**REPOSITORY, "pull_request": {"number": "1", "head": {"ref": "x"}}}),
        ("pull_request", {**REPOSITORY, "pull_request": {"number": -1, "head": {"ref": "x"}}}),
        ("pull_request", {**REPOSITORY, "pull_request": {"number": 1, "head": {"ref": "x" * 501}}}),
        ("check_run", {**REPOSITORY, "check_run": {"head_sha": "../../etc"}}),
        ("status", {**REPOSITORY, "sha": "a" * 40, "branches": [{"name": 1}]}),
        ("push", {**REPOSITORY, "ref": "refs/heads/x"}),
        ("ping", {"zen": "none"}),
        ("ping", {"repository": None}),
        ("gollum", []),
        ("x" * 201, REPOSITORY),
        ("pu\nsh", REPOSITORY),
        ("", REPOSITORY),
    ],
)
def test_what_is_not_what_its_event_says_is_no_delivery(event: str, body: object) -> None:
    with pytest.raises(BadRequest) as caught:
        noticed(posted(event, body))
    assert "etc" not in str(caught.value)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 50_000, b"null", b"NaN"]
)
def test_what_is_no_json_is_no_delivery(body: bytes) -> None:
    headers = {"x-github-event": "push", "x-github-delivery": "d-1"}
    with pytest.raises(BadRequest):
        noticed(Posted(headers, body, 0.0))


# -- how they are ordered --------------------------------------------------------------------------


async def scm_of(tmp_path: Path, github: GitHub, **settings: Any) -> GitHubScm:
    repository = await sample(tmp_path / "project")
    await repository.git("remote", "add", "origin", github.remote())
    environment = {"GH_ENTERPRISE_TOKEN": github.token, "HOOK": "from outside"}
    scope = Scope(tmp_path / "scm", repository=repository.path, environment=environment)
    settings = {"api": f"{github.url}/api/v3", **settings}
    return GitHubScm(GitHubScmConfig.model_validate(settings), scope)


async def test_a_webhook_is_ordered_once_and_brought_up_to_date(
    tmp_path: Path, github: GitHub, receiver: Receiver
) -> None:
    async with await scm_of(tmp_path, github) as scm:
        assert scm.repository == "acme/app"
        assert "was made" in await scm.hook(receiver.url, "first")
        assert "up to date" in await scm.hook(receiver.url, "second")
        (hook,) = github.world.hooks
        assert (hook.url, hook.secret) == (receiver.url, "second")
        assert set(hook.events) == set(EVENTS)
    assert [one.operation for one in github.calls] == [
        "repos/list-webhooks", "repos/create-webhook", "repos/list-webhooks",
        "repos/update-webhook",
    ]  # fmt: skip
    assert heard(receiver, github)[0].event == "ping"


async def test_the_secret_may_be_configured_and_one_that_is_not_there_is_told(
    tmp_path: Path, github: GitHub
) -> None:
    async with await scm_of(tmp_path, github) as scm:
        assert await scm.secret() is None
        assert scm.relayed("http://127.0.0.1:1/webhooks/github")
    async with await scm_of(tmp_path / "a", github, webhook_secret="in words") as scm:
        assert await scm.secret() == "in words"
    from ao_core.config.secret import reference

    async with await scm_of(
        tmp_path / "b", github, webhook_secret=reference("secret://env/HOOK")
    ) as scm:
        assert await scm.secret() == "from outside"
    async with await scm_of(
        tmp_path / "c", github, webhook_secret=reference("secret://env/NOTHING")
    ) as scm:
        with pytest.raises(Unauthorized):
            await scm.secret()
