"""The GraphQL side: documents are held against the schema, priced, and answered or refused."""

from typing import Any

import httpx
import pytest

from standins.github import GitHub
from standins.github.records import Pull

MERGEABLE = """
query($number: Int!) {
  repository(owner: "acme", name: "app") {
    pullRequest(number: $number) { mergeable mergeStateStatus state reviewDecision }
  }
}
"""
WHOLE = """
query($cursor: String) {
  rateLimit { cost limit remaining used resetAt nodeCount }
  viewer { login }
  repository(owner: "acme", name: "app") {
    nameWithOwner
    defaultBranchRef { name target { oid } }
    issues(first: 5, states: [OPEN]) { nodes { title url labels(first: 5) { nodes { name } } } }
    pullRequests(first: 5, headRefName: "feature", states: [OPEN, MERGED]) {
      totalCount
      nodes {
        id number title url state isDraft headRefName headRefOid baseRefName isCrossRepository
        headRepository { nameWithOwner }
        additions deletions mergedAt mergeCommit { oid }
        autoMergeRequest { mergeMethod enabledAt } mergeQueueEntry { position state }
        latestReviews(first: 5) { nodes { state author { login __typename } } }
        latestOpinionatedReviews(first: 5) { nodes { state commit { oid } } }
        reviewThreads(first: 5) {
          nodes { id isResolved comments(first: 5) { nodes {
            author { login __typename } body path line url
          } } }
        }
        commits(last: 1) { nodes { commit { oid statusCheckRollup {
          state
          contexts(first: 2, after: $cursor) {
            nodes {
              __typename
              ... on CheckRun { name status conclusion detailsUrl checkSuite { app { slug } } }
              ... on StatusContext { context state targetUrl }
            }
            pageInfo { hasNextPage endCursor }
          }
        } } } }
      }
    }
  }
}
"""


class Asking:
    """Documents, and what came of them."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def whole(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = self._client.post("/graphql", json={"query": query, "variables": variables})
        assert answer.status_code == 200
        return answer.json()

    def __call__(self, query: str, **variables: Any) -> Any:
        told = self.whole(query, **variables)
        assert "errors" not in told, told["errors"]
        return told["data"]

    def change(self, name: str, fields: str, **given: Any) -> dict[str, Any]:
        kind = name[0].upper() + name[1:]
        query = f"mutation($input: {kind}Input!) {{ {name}(input: $input) {{ {fields} }} }}"
        return self.whole(query, input=given)


@pytest.fixture
def ask(client: httpx.Client) -> Asking:
    return Asking(client)


@pytest.fixture
def pull(github: GitHub) -> Pull:
    github.world.commit("acme/app", "feature", {"a.txt": "one\ntwo\n"})
    return github.world.pull("acme/app", "feature", title="A feature")


def test_a_pull_request_is_told_with_all_that_hangs_on_it(
    github: GitHub, ask: Asking, pull: Pull
) -> None:
    world = github.world
    world.issue("acme/app", "a bug", labels=["bug"])
    world.check_run(pull, "build")
    world.check_run(pull, "test", "failure", app="ci")
    world.status(pull, "deploy", "pending")
    world.review(pull, "CHANGES_REQUESTED")
    world.thread(pull, "a.txt", 2, "why?", author=world.user("robot", "Bot"))
    told = ask(WHOLE)
    (found,) = told["repository"]["pullRequests"]["nodes"]
    assert (found["number"], found["headRefOid"], found["additions"]) == (1, pull.head_sha, 2)
    (thread,) = found["reviewThreads"]["nodes"]
    (said,) = thread["comments"]["nodes"]
    assert (said["author"], said["line"]) == ({"login": "robot", "__typename": "Bot"}, 2)
    rollup = found["commits"]["nodes"][0]["commit"]["statusCheckRollup"]
    assert rollup["state"] == "FAILURE"
    assert [one["__typename"] for one in rollup["contexts"]["nodes"]] == ["CheckRun"] * 2
    page = rollup["contexts"]["pageInfo"]
    assert page["hasNextPage"] is True
    rest = ask(WHOLE, cursor=page["endCursor"])["repository"]["pullRequests"]["nodes"][0]
    (last,) = rest["commits"]["nodes"][0]["commit"]["statusCheckRollup"]["contexts"]["nodes"]
    assert (last["context"], last["state"]) == ("deploy", "PENDING")


def test_within_one_answer_everything_is_as_unknown(
    github: GitHub, ask: Asking, pull: Pull
) -> None:
    def shown() -> tuple[str, str]:
        found = ask(MERGEABLE, number=1)["repository"]["pullRequest"]
        return found["mergeable"], found["mergeStateStatus"]

    assert [shown(), shown()] == [("UNKNOWN", "UNKNOWN"), ("MERGEABLE", "CLEAN")]
    github.world.unknown_for = 2
    github.world.commit("acme/app", "feature", {"README.md": "one\n"})
    github.world.commit("acme/app", "main", {"README.md": "two\n"})
    assert [shown()[0] for _ in range(3)] == ["UNKNOWN", "UNKNOWN", "CONFLICTING"]


def test_reviews_decide_only_where_they_are_asked_for(
    github: GitHub, ask: Asking, pull: Pull
) -> None:
    def decision() -> str | None:
        return ask(MERGEABLE, number=1)["repository"]["pullRequest"]["reviewDecision"]

    github.world.review(pull, "APPROVED")
    assert decision() is None
    github.world.protect("acme/app", reviews=2)
    assert decision() == "REVIEW_REQUIRED"
    github.world.review(pull, "APPROVED", author=github.world.user("third"))
    assert decision() == "APPROVED"
    github.world.review(pull, "CHANGES_REQUESTED")
    assert decision() == "CHANGES_REQUESTED"


@pytest.mark.parametrize(
    ("query", "violation"),
    [
        ("{ viewer { name_ } }", "Cannot query field 'name_' on type 'User'"),
        ("{ viewer { login }", "Syntax Error"),
        ("{ viewer { bioHTML } }", "the stand-in has no User.bioHTML"),
        (
            '{ repository(owner: "acme", name: "app") { issues { nodes { id } } } }',
            "You must provide a `first` or `last` value",
        ),
        (
            '{ repository(owner: "acme", name: "app") { issues(first: 101) { totalCount } } }',
            "`first` on `issues` must be within 1-100",
        ),
    ],
)
def test_a_document_that_cannot_be_answered_is_an_error_and_told_of(
    github: GitHub, ask: Asking, query: str, violation: str
) -> None:
    github.expect(violation)
    assert ask.whole(query)["errors"]


def test_what_is_not_there_is_null_and_said_to_be_so(ask: Asking) -> None:
    told = ask.whole(MERGEABLE, number=7)
    assert told["data"]["repository"]["pullRequest"] is None
    (error,) = told["errors"]
    assert (error["type"], error["path"]) == ("NOT_FOUND", ["repository", "pullRequest"])
    assert error["message"] == "Could not resolve to a PullRequest with the number of 7."


def test_the_price_is_that_of_the_vendors_own_example(github: GitHub, ask: Asking) -> None:
    inner = "labels(first: 60) { nodes { name } }"
    issues = f"issues(first: 50) {{ nodes {{ id {inner} }} }}"
    pulls = f"pullRequests(first: 100) {{ nodes {{ id repository {{ {issues} }} }} }}"
    app = f'repository(owner: "acme", name: "app") {{ {pulls} }}'
    told = ask(f"{{ rateLimit {{ cost nodeCount used }} {app} }}")
    assert told["rateLimit"] == {"cost": 51, "nodeCount": 305_100, "used": 51}
    ask("{ viewer { login } }")
    assert [call.cost for call in github.called("graphql")] == [51, 1]
    assert github.cost("graphql") == github.limits.graphql.used == 52


def test_too_many_nodes_are_refused(ask: Asking) -> None:
    inner = "repository { issues(first: 100) { nodes { labels(first: 100) { totalCount } } } }"
    many = f"pullRequests(first: 100) {{ nodes {{ {inner} }} }}"
    told = ask.whole(f'{{ repository(owner: "acme", name: "app") {{ {many} }} }}')
    assert told["errors"][0]["type"] == "MAX_NODE_LIMIT_EXCEEDED"


def test_when_the_points_are_used_up_that_is_what_is_answered(github: GitHub, ask: Asking) -> None:
    github.faults.next("POST /graphql", "primary limit")
    assert ask.whole("{ viewer { login } }")["errors"][0]["type"] == "RATE_LIMIT"


def test_a_conversation_is_answered_and_resolved(github: GitHub, ask: Asking, pull: Pull) -> None:
    thread = github.world.thread(pull, "a.txt", 1, "why?")
    reply = {"pullRequestReviewThreadId": thread.node_id, "body": "because"}
    told = ask.change(
        "addPullRequestReviewThreadReply", "comment { body author { login } }", **reply
    )
    assert told["data"]["addPullRequestReviewThreadReply"]["comment"]["body"] == "because"
    for name, resolved in (("resolveReviewThread", True), ("unresolveReviewThread", False)):
        told = ask.change(name, "thread { isResolved }", threadId=thread.node_id)
        assert told["data"][name] == {"thread": {"isResolved": resolved}}


def test_a_draft_is_made_ready_and_back(github: GitHub, ask: Asking, pull: Pull) -> None:
    shown = "pullRequest { isDraft }"
    for name, draft in (
        ("convertPullRequestToDraft", True),
        ("markPullRequestReadyForReview", False),
    ):
        told = ask.change(name, shown, pullRequestId=pull.node_id)
        assert told["data"][name] == {"pullRequest": {"isDraft": draft}}


def test_auto_merge_waits_for_the_checks(github: GitHub, ask: Asking, pull: Pull) -> None:
    wish = {"pullRequestId": pull.node_id, "mergeMethod": "SQUASH"}
    shown = "pullRequest { autoMergeRequest { mergeMethod } }"

    def asked() -> dict[str, Any]:
        return ask.change("enablePullRequestAutoMerge", shown, **wish)

    (error,) = asked()["errors"]
    assert error["message"] == "Auto merge is not allowed for this repository"
    pull.repository.auto_merge_allowed = True
    (error,) = asked()["errors"]
    assert (error["type"], error["message"]) == (
        "UNPROCESSABLE",
        "Pull request Pull request is in clean status",
    )
    github.world.protect("acme/app", checks=["ci"])
    assert "errors" not in asked()
    check = github.world.check_run(pull, "ci", None)
    assert pull.state == "open"
    github.world.conclude(check, "success")
    assert (pull.state, bool(pull.merged_at)) == ("closed", True)


def test_a_merge_queue_takes_what_may_not_be_merged_directly(
    github: GitHub, client: httpx.Client, ask: Asking, pull: Pull
) -> None:
    github.world.protect("acme/app", queue=True)
    refused = client.put("/repos/acme/app/pulls/1/merge")
    assert (refused.status_code, "merge queue" in refused.text) == (405, True)
    given = {"pullRequestId": pull.node_id, "expectedHeadOid": pull.head_sha}
    told = ask.change("enqueuePullRequest", "mergeQueueEntry { position state }", **given)
    entry = told["data"]["enqueuePullRequest"]["mergeQueueEntry"]
    assert entry == {"position": 1, "state": "QUEUED"}
    (rule,) = client.get("/repos/acme/app/rules/branches/main").json()
    assert rule["type"] == "merge_queue"
    github.world.land(pull)
    assert ask(MERGEABLE, number=1)["repository"]["pullRequest"]["state"] == "MERGED"


def test_refs_are_changed_together_or_not_at_all(ask: Asking, pull: Pull) -> None:
    at, none = pull.repository, "0" * 40
    main = at.bare.heads()["main"]
    made = {"name": "refs/heads/made", "beforeOid": none, "afterOid": main}
    gone = {"name": f"refs/heads/{pull.head}", "beforeOid": main, "afterOid": none}

    def asked() -> dict[str, Any]:
        changed = {"repositoryId": at.node_id, "refUpdates": [made, gone]}
        return ask.change("updateRefs", "clientMutationId", **changed)

    assert "errors" in asked()
    assert at.bare.heads().keys() == {"main", pull.head}
    gone["beforeOid"] = pull.head_sha
    assert "errors" not in asked()
    assert (at.bare.heads().keys(), pull.state) == ({"main", "made"}, "closed")
