"""Pull requests over real git: they follow their branches, conflict, and are merged."""

import subprocess
from pathlib import Path

import httpx
import pytest

from standins.git import GitRefused
from standins.github import GitHub
from standins.github.records import MergeMethod
from team import git

APP = "/repos/acme/app"
QUIET = ("-c", "credential.helper=", "-c", "user.name=A", "-c", "user.email=a@example.invalid")


@pytest.fixture
def clone(github: GitHub, tmp_path: Path) -> Path:
    git(tmp_path, *QUIET, "clone", "-q", github.remote(), "clone")
    return tmp_path / "clone"


def work(clone: Path, branch: str, text: str = "new\n", name: str = "a.txt") -> str:
    git(clone, "checkout", "-q", "-B", branch)
    (clone / name).write_text(text)
    git(clone, "add", "-A")
    git(clone, *QUIET, "commit", "-q", "-m", f"change {name}")
    git(clone, *QUIET, "push", "-q", "--force", "origin", branch)
    return git(clone, "rev-parse", "HEAD")


def opened(client: httpx.Client, head: str = "feature", **more: object) -> httpx.Response:
    told = {"title": "A feature", "head": head, "base": "main", **more}
    return client.post(f"{APP}/pulls", json=told)


def settled(client: httpx.Client, number: int = 1) -> dict[str, object]:
    client.get(f"{APP}/pulls/{number}")
    return client.get(f"{APP}/pulls/{number}").json()


def test_a_pull_request_follows_the_branch_that_is_pushed(
    client: httpx.Client, clone: Path
) -> None:
    first = work(clone, "feature")
    assert opened(client).json()["head"]["sha"] == first
    second = work(clone, "feature", "newer\n")
    shown = client.get(f"{APP}/pulls/1").json()
    assert (shown["head"]["sha"], shown["commits"]) == (second, 2)
    git(clone, "reset", "-q", "--hard", "origin/main")
    forced = work(clone, "feature", "other\n")
    shown = client.get(f"{APP}/pulls/1").json()
    assert (shown["head"]["sha"], shown["commits"]) == (forced, 1)
    git(clone, *QUIET, "fetch", "-q", "origin", "pull/1/head")
    assert git(clone, "rev-parse", "FETCH_HEAD") == forced
    git(clone, *QUIET, "push", "-q", "origin", ":feature")
    assert client.get(f"{APP}/pulls/1").json()["state"] == "closed"


def test_git_lets_nobody_in_without_a_token(github: GitHub, tmp_path: Path) -> None:
    github.world.token("reading", may_write=False)
    with pytest.raises(subprocess.CalledProcessError):
        git(tmp_path, *QUIET, "clone", "-q", github.remote(token="wrong"), "no")
    git(tmp_path, *QUIET, "clone", "-q", github.remote(token="reading"), "clone")
    with pytest.raises(subprocess.CalledProcessError):
        work(tmp_path / "clone", "feature")


def test_a_push_may_succeed_without_anybody_hearing_so(
    github: GitHub, client: httpx.Client, clone: Path
) -> None:
    github.faults.next("git-receive-pack", "lost reply")
    with pytest.raises(subprocess.CalledProcessError):
        work(clone, "feature")
    assert client.get(f"{APP}/branches/feature").status_code == 200
    assert "lost reply" in [call.fault for call in github.called("git-receive-pack")]


def test_whether_it_can_be_merged_is_known_to_the_second_who_asks(
    github: GitHub, client: httpx.Client
) -> None:
    github.world.commit("acme/app", "feature", {"a.txt": "new\n"})
    opened(client)
    first, second = client.get(f"{APP}/pulls/1").json(), client.get(f"{APP}/pulls/1").json()
    assert (first["mergeable"], first["mergeable_state"]) == (None, "unknown")
    assert (second["mergeable"], second["mergeable_state"]) == (True, "clean")
    github.world.commit("acme/app", "main", {"b.txt": "moved\n"})
    assert client.get(f"{APP}/pulls/1").json()["mergeable"] is None


def test_both_sides_of_a_conflict_are_found_by_git(github: GitHub, client: httpx.Client) -> None:
    github.world.commit("acme/app", "feature", {"README.md": "one\n"})
    github.world.commit("acme/app", "main", {"README.md": "two\n"})
    opened(client)
    shown = settled(client)
    assert (shown["mergeable"], shown["mergeable_state"]) == (False, "dirty")
    answer = client.put(f"{APP}/pulls/1/merge")
    assert (answer.status_code, answer.json()["message"]) == (405, "Pull Request is not mergeable")
    answer = client.put(f"{APP}/pulls/1/update-branch")
    assert (answer.status_code, "conflict" in answer.json()["message"]) == (422, True)


@pytest.mark.parametrize(("method", "made"), [("merge", 3), ("squash", 1), ("rebase", 2)])
def test_merging_makes_commits_and_moves_the_base(
    client: httpx.Client, clone: Path, method: MergeMethod, made: int
) -> None:
    work(clone, "feature")
    head = work(clone, "feature", "b\n", "b.txt")
    opened(client)
    answer = client.put(f"{APP}/pulls/1/merge", json={"merge_method": method, "sha": head})
    assert (answer.status_code, answer.json()["merged"]) == (200, True)
    before = git(clone, "rev-parse", "origin/main")
    git(clone, *QUIET, "fetch", "-q", "origin")
    assert git(clone, "rev-parse", "origin/main") == answer.json()["sha"]
    assert git(clone, "rev-list", "--count", f"{before}..origin/main") == str(made)
    assert git(clone, "diff", head, "origin/main") == ""
    shown = client.get(f"{APP}/pulls/1").json()
    assert (shown["merged"], shown["state"], shown["mergeable"]) == (True, "closed", None)
    assert client.get(f"{APP}/pulls/1/merge").status_code == 204


def test_what_was_not_looked_at_is_not_merged(github: GitHub, client: httpx.Client) -> None:
    old = github.world.commit("acme/app", "feature", {"a.txt": "new\n"})
    opened(client)
    github.world.commit("acme/app", "feature", {"a.txt": "newer\n"})
    answer = client.put(f"{APP}/pulls/1/merge", json={"sha": old})
    assert (answer.status_code, "Head branch was modified" in answer.text) == (409, True)


def test_a_merge_that_conflicts_with_rebasing_alone_is_refused(
    github: GitHub, client: httpx.Client
) -> None:
    world = github.world
    world.commit("acme/app", "feature", {"README.md": "one\n"})
    world.commit("acme/app", "feature", {"README.md": "two\n"})
    world.commit("acme/app", "main", {"README.md": "two\n"})
    opened(client)
    assert settled(client)["mergeable"] is True
    answer = client.put(f"{APP}/pulls/1/merge", json={"merge_method": "rebase"})
    assert answer.status_code == 405


def test_a_pull_request_is_made_once_and_of_something(github: GitHub, client: httpx.Client) -> None:
    world = github.world
    world.commit("acme/app", "feature", {"a.txt": "new\n"})
    world.named("acme/app").bare.point("refs/heads/same", "main")
    assert opened(client).status_code == 201
    said = [opened(client), opened(client, head="same"), opened(client, head="none")]
    assert [one.status_code for one in said] == [422] * 3
    errors = [one.json()["errors"][0] for one in said]
    assert errors[0]["message"] == "A pull request already exists for acme:feature."
    assert errors[1]["message"] == "No commits between main and same"
    assert (errors[2]["field"], errors[2]["code"]) == ("head", "invalid")


def test_pull_requests_are_found_by_their_branch(github: GitHub, client: httpx.Client) -> None:
    github.world.commit("acme/app", "feature", {"a.txt": "new\n"})
    opened(client)
    found = client.get(f"{APP}/pulls", params={"head": "acme:feature", "state": "all"}).json()
    assert [one["number"] for one in found] == [1]
    assert client.get(f"{APP}/pulls", params={"head": "acme:other"}).json() == []
    assert client.get(f"{APP}/pulls", params={"base": "other"}).json() == []


def test_what_a_pull_request_changes_is_told(github: GitHub, client: httpx.Client) -> None:
    github.world.commit("acme/app", "feature", {"src/a.txt": "one\ntwo\n", "README.md": "x\n"})
    opened(client)
    files = {one["filename"]: one for one in client.get(f"{APP}/pulls/1/files").json()}
    assert {name: one["status"] for name, one in files.items()} == {
        "src/a.txt": "added",
        "README.md": "modified",
    }
    assert (files["src/a.txt"]["additions"], "+two" in files["src/a.txt"]["patch"]) == (2, True)
    assert len(client.get(f"{APP}/pulls/1/commits").json()) == 1
    diff = client.get(f"{APP}/pulls/1", headers={"accept": "application/vnd.github.diff"})
    assert diff.text.startswith("diff --git")


def test_a_branch_is_brought_up_to_date(github: GitHub, client: httpx.Client) -> None:
    world = github.world
    world.protect("acme/app", up_to_date=True)
    world.commit("acme/app", "feature", {"a.txt": "new\n"})
    opened(client)
    world.commit("acme/app", "main", {"b.txt": "moved\n"})
    assert settled(client)["mergeable_state"] == "behind"
    assert client.put(f"{APP}/pulls/1/update-branch").status_code == 202
    assert settled(client)["mergeable_state"] == "clean"


def test_a_protected_branch_waits_for_what_it_asks(github: GitHub, client: httpx.Client) -> None:
    world = github.world
    world.protect("acme/app", reviews=1, checks=["ci"])
    head = world.commit("acme/app", "feature", {"a.txt": "new\n"})
    opened(client)
    pull = world.named("acme/app").pulls[1]
    assert settled(client)["mergeable_state"] == "blocked"
    assert "approving review" in client.put(f"{APP}/pulls/1/merge").json()["message"]
    world.review(pull)
    refused = client.put(f"{APP}/pulls/1/merge")
    assert refused.json()["message"] == 'Required status check "ci" is expected.'
    world.check_run(pull, "ci")
    assert client.put(f"{APP}/pulls/1/merge", json={"sha": head}).status_code == 200


def test_a_fork_has_a_head_of_its_own(github: GitHub, client: httpx.Client) -> None:
    world = github.world
    world.fork("acme/app", "someone")
    head = world.commit("someone/app", "feature", {"a.txt": "new\n"})
    made = opened(client, head="someone:feature").json()
    assert (made["head"]["repo"]["full_name"], made["head"]["sha"]) == ("someone/app", head)
    assert settled(client)["mergeable"] is True
    newer = world.commit("someone/app", "feature", {"a.txt": "newer\n"})
    assert client.get(f"{APP}/pulls/1").json()["head"]["sha"] == newer
    assert client.put(f"{APP}/pulls/1/merge", json={"sha": newer}).status_code == 200


def test_a_merged_branch_may_go_and_what_was_built_on_it_moves_on(
    github: GitHub, client: httpx.Client
) -> None:
    world = github.world
    world.issue("acme/app", "a bug")
    world.named("acme/app").delete_merged = True
    world.commit("acme/app", "one", {"a.txt": "new\n"})
    world.commit("acme/app", "two", {"b.txt": "new\n"}, onto="one")
    opened(client, head="one", body="Fixes #1")
    opened(client, head="two", base="one")
    client.put(f"{APP}/pulls/2/merge")
    assert client.get(f"{APP}/branches/one").status_code == 404
    assert client.get(f"{APP}/pulls/3").json()["base"]["ref"] == "main"
    assert client.get(f"{APP}/issues/1").json()["state_reason"] == "completed"


def test_what_was_built_on_a_branch_that_somebody_deletes_is_closed(
    github: GitHub, client: httpx.Client
) -> None:
    github.world.commit("acme/app", "one", {"a.txt": "new\n"})
    github.world.commit("acme/app", "two", {"b.txt": "new\n"}, onto="one")
    opened(client, head="one")
    opened(client, head="two", base="one")
    client.put(f"{APP}/pulls/1/merge")
    assert client.delete(f"{APP}/git/refs/heads/one").status_code == 204
    above = client.get(f"{APP}/pulls/2").json()
    assert (above["state"], above["base"]["ref"]) == ("closed", "one")


def test_refs_are_made_moved_and_deleted(github: GitHub, client: httpx.Client) -> None:
    main = client.get(f"{APP}/git/ref/heads/main").json()["object"]["sha"]
    made = client.post(f"{APP}/git/refs", json={"ref": "refs/heads/a/b", "sha": main})
    assert (made.status_code, made.json()["ref"]) == (201, "refs/heads/a/b")
    ahead = github.world.commit("acme/app", "ahead", {"a.txt": "new\n"})
    assert client.patch(f"{APP}/git/refs/heads/a/b", json={"sha": ahead}).status_code == 200
    assert client.patch(f"{APP}/git/refs/heads/a/b", json={"sha": main}).status_code == 422
    assert client.delete(f"{APP}/git/refs/heads/a/b").status_code == 204
    assert client.delete(f"{APP}/git/refs/heads/a/b").status_code == 422


def test_git_that_says_no_is_heard(github: GitHub) -> None:
    with pytest.raises(GitRefused):
        github.world.named("acme/app").bare.git("no-such-command")
