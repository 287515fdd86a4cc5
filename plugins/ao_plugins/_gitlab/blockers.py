"""What stands in the way of a merge, in plain words.

https://docs.gitlab.com/api/merge_requests/#merge-status

GitLab names one reason at a time; what is known besides is told with it.
"""

from collections.abc import Sequence

from ao_core.model.work import ChecksSummary, MergeMethod, ReviewDecision
from ao_core.redact import visible
from ao_plugins._gitlab.said import Said
from ao_plugins._gitlab.seen import Seen
from ao_plugins._unchecked import UNCHECKED

UNKNOWN = "GitLab has not found out yet whether it conflicts"
CONFLICT = "it conflicts with its target"
BEHIND = "its branch is behind its target, which the project forbids: merge it by rebase"
TRAIN = "it waits in the merge train, and GitLab merges it when its turn comes"
HANDED_OVER = "GitLab merges it as soon as its checks and reviews allow"
PENDING = "checks have not ended"
SYNCING = "its approvals are being counted again"

_FAILING = "checks fail"
_DRAFT = "it is a draft"
_NEEDED = "an approval that it needs is missing"
_ASKED = "a review asks for changes"
_POLICY = "a security policy is not met"
_LOCKED = "somebody has locked files that it changes"
_OUTSIDE = "a status check outside has not passed"
_OTHER = "another merge request has to be merged before it"
_CHECKS = {ChecksSummary.FAILING: _FAILING, ChecksSummary.PENDING: PENDING}
_WORDS = {
    "approvals_syncing": SYNCING,
    "blocked_status": _OTHER,
    "broken_status": "it cannot be merged as it is: its branch is gone, empty or in conflict",
    "checking": UNKNOWN,
    "ci_must_pass": "a pipeline must pass before it",
    "ci_still_running": PENDING,
    "commits_status": "its branch is gone or has no commits",
    "conflict": CONFLICT,
    "discussions_not_resolved": "a thread is not settled",
    "draft_status": _DRAFT,
    "external_status_checks": _OUTSIDE,
    "jira_association_missing": "its title or text has to name a Jira issue",
    "locked_lfs_files": _LOCKED,
    "locked_paths": _LOCKED,
    "merge_request_blocked": _OTHER,
    "merge_time": "it may not be merged before a time that was set",
    "need_rebase": BEHIND,
    "not_approved": _NEEDED,
    "policies_denied": _POLICY,
    "preparing": UNKNOWN,
    "requested_changes": _ASKED,
    "security_policy_pipeline_check": _POLICY,
    "security_policy_violations": _POLICY,
    "status_checks_must_pass": _OUTSIDE,
    "title_regex": "its title is not as the project wants it",
    "unchecked": UNKNOWN,
}
_WAITING = frozenset({UNKNOWN, PENDING, SYNCING, UNCHECKED})
_NONE = frozenset({"mergeable", "can_be_merged", "not_open"})  # that it has ended is told otherwise


def blockers(
    seen: Seen, said: Said, checks: ChecksSummary, method: MergeMethod | None = None
) -> tuple[str, ...]:
    """All that stands in the way; what a rebase takes away does not, where that is the method."""
    known = [
        CONFLICT if seen.conflicts else None,
        UNKNOWN if seen.conflicts is None else None,
        _DRAFT if seen.draft else None,
        _CHECKS.get(checks),
        _ASKED if said.decision(seen) is ReviewDecision.CHANGES_REQUESTED else None,
        _NEEDED if said.approvals.approvals_left else None,
        own_word(seen, method),
    ]
    return tuple(dict.fromkeys(one for one in known if one))


def is_waiting(found: Sequence[str]) -> bool:
    """Whether time alone takes all of that away."""
    return bool(found) and _WAITING.issuperset(found)


def is_behind(found: Sequence[str]) -> bool:
    """Whether its target has to be brought into it, for which GitLab knows a rebase alone."""
    return BEHIND in found


def own_word(seen: Seen, method: MergeMethod | None = None) -> str | None:
    """GitLab's own reason."""
    word = seen.detailed_merge_status
    if word in _NONE or (word == "need_rebase" and method is MergeMethod.REBASE):
        return None
    return _WORDS.get(word) or visible(f"GitLab says {word.replace('_', ' ')}", 100)
