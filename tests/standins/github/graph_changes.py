"""The mutations of the GraphQL interface."""

from collections.abc import Callable
from typing import Any

from standins.git import ZERO
from standins.github.graph_fields import Ask, fields
from standins.github.records import Issue, MergeMethod, Pull, Repository, Thread, User
from standins.github.state import Refused
from standins.graphql import Resolver

Given = dict[str, Any]
Change = Callable[[Ask, Given], Given]


def _pull(ask: Ask, given: Given) -> Pull:
    return ask.world.known(given["pullRequestId"], Pull)


def _resolve(ask: Ask, given: Given) -> Given:
    thread = ask.world.known(given["threadId"], Thread)
    ask.world.resolve(thread, ask.access.user)
    return {"thread": thread}


def _unresolve(ask: Ask, given: Given) -> Given:
    thread = ask.world.known(given["threadId"], Thread)
    ask.world.unresolve(thread, ask.access.user)
    return {"thread": thread}


def _reply(ask: Ask, given: Given) -> Given:
    thread = ask.world.known(given["pullRequestReviewThreadId"], Thread)
    return {"comment": ask.world.reply(thread, given["body"], ask.access.user)}


def _ready(ask: Ask, given: Given) -> Given:
    ask.world.ready(pull := _pull(ask, given), ask.access.user)
    return {"pullRequest": pull}


def _draft(ask: Ask, given: Given) -> Given:
    ask.world.unready(pull := _pull(ask, given), ask.access.user)
    return {"pullRequest": pull}


def _auto_merge(ask: Ask, given: Given) -> Given:
    pull = _pull(ask, given)
    _same_head(pull, given)
    method: MergeMethod = given.get("mergeMethod", "MERGE").lower()
    said = given.get("commitHeadline"), given.get("commitBody")
    ask.world.merge_when_ready(pull, method, ask.access.user, *said)
    return {"pullRequest": pull, "actor": ask.access.user}


def _no_auto_merge(ask: Ask, given: Given) -> Given:
    pull = _pull(ask, given)
    if not pull.auto_merge:
        raise Refused(422, "Can't disable auto-merge for this pull request.")
    pull.auto_merge = None
    ask.world.touched(pull, "auto_merge_disabled", ask.access.user)
    return {"pullRequest": pull, "actor": ask.access.user}


def _enqueue(ask: Ask, given: Given) -> Given:
    pull = _pull(ask, given)
    _same_head(pull, given)
    return {"mergeQueueEntry": ask.world.enqueue(pull, ask.access.user, given.get("jump", False))}


def _dequeue(ask: Ask, given: Given) -> Given:
    pull = ask.world.known(given["id"], Pull)
    entry, pull.queued = pull.queued, None
    ask.world.touched(pull, "dequeued", ask.access.user)
    return {"mergeQueueEntry": entry}


def _merge(ask: Ask, given: Given) -> Given:
    pull = _pull(ask, given)
    ask.world.merge(
        pull, given.get("mergeMethod", "MERGE").lower(), sha=given.get("expectedHeadOid"),
        title=given.get("commitHeadline"), message=given.get("commitBody"), by=ask.access.user,
    )  # fmt: skip
    return {"pullRequest": pull, "actor": ask.access.user}


def _update_branch(ask: Ask, given: Given) -> Given:
    pull, rebase = _pull(ask, given), given.get("updateMethod") == "REBASE"
    ask.world.update_branch(pull, ask.access.user, given.get("expectedHeadOid"), rebase=rebase)
    return {"pullRequest": pull}


def _create(ask: Ask, given: Given) -> Given:
    at = ask.world.known(given["repositoryId"], Repository)
    made = ask.world.pull(
        at.full_name, given["headRefName"].removeprefix("refs/heads/"),
        given["baseRefName"].removeprefix("refs/heads/"), title=given["title"],
        body=given.get("body") or "", draft=given.get("draft", False), author=ask.access.user,
    )  # fmt: skip
    return {"pullRequest": made}


def _comment(ask: Ask, given: Given) -> Given:
    issue = ask.world.known(given["subjectId"], Issue)
    made = ask.world.comment(issue, given["body"], ask.access.user)
    return {"commentEdge": {"node": made, "cursor": str(made.id)}, "subject": issue}


def _ask_reviews(ask: Ask, given: Given) -> Given:
    pull = _pull(ask, given)
    ask.world.ask(
        pull, [ask.world.known(one, User) for one in given.get("userIds", [])], ask.access.user
    )
    return {"pullRequest": pull, "actor": ask.access.user}


def _update_refs(ask: Ask, given: Given) -> Given:
    """All of them or none; a hash of noughts is that of a ref that is not there."""
    at = ask.world.known(given["repositoryId"], Repository)
    before, wanted = at.bare.heads(), given["refUpdates"]
    for one in wanted:
        _movable(at, one, at.bare.find(one["name"]) or ZERO)
    for one in wanted:
        if one["afterOid"] == ZERO:
            at.bare.drop(one["name"])
        else:
            at.bare.point(one["name"], one["afterOid"])
    ask.world.pushed(at, before, ask.access.user)
    return {}


def _movable(at: Repository, one: Given, was: str) -> None:
    name, now = one["name"], one["afterOid"]
    if one.get("beforeOid") not in (None, was) or was == now == ZERO:
        raise Refused(422, f"{name} is at {was}")
    if now == ZERO:
        return
    if not name.startswith("refs/") or not at.bare.find(now):
        raise Refused(422, f"{name} cannot be {now}")
    if was != ZERO and not one.get("force") and not at.bare.holds(now, was):
        raise Refused(422, f"{name} would not be fast-forwarded")


def _same_head(pull: Pull, given: Given) -> None:
    if given.get("expectedHeadOid") not in (None, pull.head_sha):
        raise Refused(422, "Head branch was modified. Review and try the merge again.")


_CHANGES: dict[str, Change] = {
    "resolveReviewThread": _resolve,
    "unresolveReviewThread": _unresolve,
    "addPullRequestReviewThreadReply": _reply,
    "markPullRequestReadyForReview": _ready,
    "convertPullRequestToDraft": _draft,
    "enablePullRequestAutoMerge": _auto_merge,
    "disablePullRequestAutoMerge": _no_auto_merge,
    "enqueuePullRequest": _enqueue,
    "dequeuePullRequest": _dequeue,
    "mergePullRequest": _merge,
    "updatePullRequestBranch": _update_branch,
    "updateRefs": _update_refs,
    "createPullRequest": _create,
    "addComment": _comment,
    "requestReviews": _ask_reviews,
}


def _allowed(change: Change) -> Resolver:
    def made(_: Any, ask: Ask, input: Given) -> Given:
        if not ask.access.may_write:
            raise Refused(403, "Resource not accessible by personal access token", kind="FORBIDDEN")
        return {"clientMutationId": input.get("clientMutationId"), **change(ask, input)}

    return made


fields("Mutation", by_arguments={name: _allowed(change) for name, change in _CHANGES.items()})
