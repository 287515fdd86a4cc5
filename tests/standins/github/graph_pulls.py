"""The fields of GraphQL about pull requests, their reviews and their conversations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from standins.github.graph_checks import rollup
from standins.github.graph_fields import (
    ISSUE,
    NODE,
    Ask,
    Oid,
    Plain,
    fields,
    named,
    page,
    ref,
    upper,
)
from standins.github.records import Pull, Review, ReviewComment, Thread


@dataclass(frozen=True)
class PullCommit:
    """A commit as a pull request has it."""

    commit: Oid


def _mergeable(one: Pull, ask: Ask) -> str:
    said = {None: "UNKNOWN", True: "MERGEABLE", False: "CONFLICTING"}
    return said[ask.world.mergeable(one)]


def _size(name: str) -> Plain:
    def counted(one: Pull, ask: Ask) -> int:
        changed = one.repository.bare.changed(one.base_sha, one.head_sha)
        return sum(getattr(file, name) for file in changed)

    return counted


def _files(one: Pull, ask: Ask) -> int:
    return len(one.repository.bare.changed(one.base_sha, one.head_sha))


def _commits(one: Pull, ask: Ask, **page: Any) -> list[PullCommit]:
    made = one.repository.bare.commits(one.base_sha, one.head_sha)
    return [PullCommit(Oid(one.repository, commit.sha)) for commit in made]


def _reviews(
    one: Pull, ask: Ask, states: Sequence[str] | None = None, author: str | None = None, **page: Any
) -> list[Review]:
    return [
        review
        for review in one.reviews
        if (not states or review.state in states) and author in (None, review.author.login)
    ]


def _latest(one: Pull, ask: Ask, **page: Any) -> list[Review]:
    return ask.world.latest_reviews(one)


def _opinions(one: Pull, ask: Ask, writersOnly: bool = False, **page: Any) -> list[Review]:
    found = ask.world.opinions(one)
    return [of for of in found if of.author.writes] if writersOnly else found


def _asked(one: Pull, ask: Ask, **page: Any) -> list[Mapping[str, Any]]:
    return [{"requestedReviewer": user} for user in one.reviewers]


def _landed(one: Pull, ask: Ask) -> Oid | None:
    return Oid(one.repository, one.merge_sha) if one.merged_at and one.merge_sha else None


def _comments_of(one: Review, ask: Ask, **page: Any) -> list[ReviewComment]:
    threads = one.pull_request.threads
    return [said for thread in threads for said in thread.comments if said.review is one]


def _line(one: Thread, ask: Ask) -> int | None:
    return None if ask.world.outdated(one) else one.line


_SAID: Mapping[str, Plain] = {
    **NODE,
    "authorAssociation": lambda one, ask: "OWNER",
    "bodyText": named("body"),
    "viewerDidAuthor": lambda one, ask: one.author is ask.access.user,
}
fields(
    "PullRequest",
    ISSUE,
    {
        "additions": _size("additions"),
        "maintainerCanModify": lambda one, ask: False,
        "autoMergeRequest": named("auto_merge"),
        "baseRef": lambda one, ask: ref(one.repository, one.base),
        "baseRefName": named("base"),
        "baseRefOid": named("base_sha"),
        "baseRepository": named("repository"),
        "changedFiles": _files,
        "commits": _commits,
        "deletions": _size("deletions"),
        "headRef": lambda one, ask: ref(one.head_repository, one.head),
        "headRefName": named("head"),
        "headRefOid": named("head_sha"),
        "headRepositoryOwner": named("head_owner"),
        "isCrossRepository": named("foreign"),
        "isDraft": named("draft"),
        "isInMergeQueue": lambda one, ask: one.queued is not None,
        "isMergeQueueEnabled": lambda one, ask: one.repository.protection(one.base).queue,
        "latestOpinionatedReviews": _opinions,
        "latestReviews": _latest,
        "mergeCommit": _landed,
        "mergeQueueEntry": named("queued"),
        "mergeStateStatus": lambda one, ask: ask.world.merge_state(one),
        "mergeable": _mergeable,
        "merged": lambda one, ask: bool(one.merged_at),
        "permalink": page("pull"),
        "reviewDecision": lambda one, ask: ask.world.decision(one),
        "reviewRequests": _asked,
        "reviewThreads": named("threads"),
        "reviews": _reviews,
        "statusCheckRollup": lambda one, ask: rollup(Oid(one.repository, one.head_sha), ask),
        "url": page("pull"),
    },
)
fields(
    "AutoMergeRequest",
    {
        "commitBody": named("message"),
        "commitHeadline": named("title"),
        "mergeMethod": upper("method"),
    },
)
fields("MergeQueueEntry", NODE)
fields("IssueComment", _SAID, {"url": lambda one, ask: ask.telling.comment(one)["html_url"]})
fields(
    "PullRequestReview",
    _SAID,
    {
        "comments": _comments_of,
        "commit": lambda one, ask: Oid(one.pull_request.repository, one.sha),
        "url": lambda one, ask: ask.telling.review(one)["html_url"],
    },
)
fields(
    "PullRequestReviewThread",
    NODE,
    {
        "comments": named("comments"),
        "diffSide": named("side"),
        "isCollapsed": lambda one, ask: bool(one.resolved_by),
        "isOutdated": lambda one, ask: ask.world.outdated(one),
        "isResolved": lambda one, ask: bool(one.resolved_by),
        "line": _line,
        "originalLine": named("line"),
        "subjectType": lambda one, ask: "LINE" if one.line else "FILE",
    },
)
fields(
    "PullRequestReviewComment",
    _SAID,
    {
        "commit": lambda one, ask: Oid(one.thread.pull_request.repository, one.sha),
        "diffHunk": lambda one, ask: "@@ -1 +1 @@",
        "line": lambda one, ask: _line(one.thread, ask),
        "originalLine": lambda one, ask: one.thread.line,
        "outdated": lambda one, ask: ask.world.outdated(one.thread),
        "path": lambda one, ask: one.thread.path,
        "pullRequest": lambda one, ask: one.thread.pull_request,
        "pullRequestReview": named("review"),
        "startLine": lambda one, ask: one.thread.start_line,
        "url": lambda one, ask: ask.telling.review_comment(one)["html_url"],
    },
)
