"""What GitHub's deliveries name: pull requests, branches and commits.

https://docs.github.com/webhooks/webhook-events-and-payloads
"""

from collections.abc import Callable, Mapping

from ao_core.errors import BadRequest
from ao_core.slots.scm import Notice, Posted
from ao_plugins._delivered import (
    About,
    Name,
    Number,
    Sha,
    Told,
    branch,
    header,
    present,
    pushed,
    read,
)

_MOST = 1_000  # of anything that is listed


class _Repository(Told):
    full_name: Name


class _Numbered(Told):
    number: Number


class _Head(Told):
    ref: Name


class _Pull(Told):
    number: Number
    head: _Head


class _Suite(Told):
    head_branch: Name | None = None


class _Checked(Told):
    """A check run, a check suite or a run of a workflow."""

    head_sha: Sha
    head_branch: Name | None = None
    check_suite: _Suite | None = None
    pull_requests: tuple[_Numbered, ...] = ()


class _Issue(Told):
    number: Number
    pull_request: Told | None = None


class _Group(Told):
    base_ref: Name


class _Branch(Told):
    name: Name


class _Plain(Told):
    repository: _Repository


class _Full(_Plain):
    """All that any event has which is read."""

    pull_request: _Pull | None = None
    check_run: _Checked | None = None
    check_suite: _Checked | None = None
    workflow_run: _Checked | None = None
    issue: _Issue | None = None
    merge_group: _Group | None = None
    branches: tuple[_Branch, ...] = ()
    sha: Sha | None = None
    ref: Name | None = None
    after: Sha | None = None


def _pull(told: _Full) -> About | None:
    one = told.pull_request
    return About(frozenset({one.number}), frozenset({one.head.ref})) if one else None


def _checked(one: _Checked | None) -> About | None:
    if one is None:
        return None
    suite = one.check_suite.head_branch if one.check_suite else None
    pulls = frozenset(pull.number for pull in one.pull_requests[:_MOST])
    return About(pulls, present((one.head_branch, suite)), frozenset({one.head_sha}))


def _status(told: _Full) -> About | None:
    names = frozenset(one.name for one in told.branches[:_MOST])
    return About(branches=names, commits=frozenset({told.sha})) if told.sha else None


def _push(told: _Full) -> About | None:
    return pushed(told.ref, told.after) if told.ref and told.after else None


def _comment(told: _Full) -> About | None:
    if told.issue is None:
        return None
    is_pull = told.issue.pull_request is not None
    return About(frozenset({told.issue.number} if is_pull else ()))


def _group(told: _Full) -> About | None:
    """A queue is about everything that is to be merged there."""
    return About(moved=branch(told.merge_group.base_ref)) if told.merge_group else None


_READ: Mapping[str, Callable[[_Full], About | None]] = {
    "check_run": lambda told: _checked(told.check_run),
    "check_suite": lambda told: _checked(told.check_suite),
    "issue_comment": _comment,
    "merge_group": _group,
    "pull_request": _pull,
    "pull_request_review": _pull,
    "pull_request_review_comment": _pull,
    "pull_request_review_thread": _pull,
    "push": _push,
    "status": _status,
    "workflow_run": lambda told: _checked(told.workflow_run),
}
EVENTS = tuple(_READ)


def noticed(posted: Posted) -> Notice:
    """What a delivery is about. An event that is not read is of no interest."""
    event = header(posted.headers, "x-github-event")
    delivery = header(posted.headers, "x-github-delivery")
    if event not in _READ:
        return About().notice(event, delivery, read(_Plain, posted).repository.full_name)
    told = read(_Full, posted)
    about = _READ[event](told)
    if about is None:
        raise BadRequest("what is told is not what the event is about")
    return about.notice(event, delivery, told.repository.full_name)
