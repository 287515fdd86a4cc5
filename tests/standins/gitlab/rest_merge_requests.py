"""Merge requests: https://docs.gitlab.com/api/merge_requests/"""

from typing import Any

from standins.gitlab.facts import Facts
from standins.gitlab.records import DEVELOPER, MergeRequest, Wish
from standins.gitlab.rest import (
    Answer,
    Asked,
    answers,
    found,
    kept_by,
    labels_after,
    members,
    names,
)
from standins.gitlab.state import Refused


def _shown(asked: Asked, one: MergeRequest, status: int = 200) -> Answer:
    return Answer(status, asked.telling.whole_merge_request(one, asked.by))


@answers("merge_requests/list")
def listed(asked: Asked) -> Answer:
    query, iids = asked.query, asked.several.get("iids[]", ())
    kept = [
        one
        for one in kept_by(list(asked.at.merge_requests.values()), query)
        if query.get("source_branch", one.source_branch) == one.source_branch
        and query.get("target_branch", one.target_branch) == one.target_branch
        and (not iids or str(one.iid) in iids)
        and query.get("draft", query.get("wip", _yes(one.draft))) == _yes(one.draft)
    ]
    page = asked.page_of(kept)
    if query.get("with_merge_status_recheck") == "true":
        for one in page:
            asked.world.look(one)
    return Answer(200, [_listed(asked, one) for one in page])


@answers("merge_requests/get")
def shown(asked: Asked) -> Answer:
    one, query = asked.merge_request, asked.query
    asked.world.look(one)
    told = asked.telling.whole_merge_request(one, asked.by)
    if query.get("include_rebase_in_progress") == "true":
        told["rebase_in_progress"] = one.rebasing
    if query.get("include_diverged_commits_count") == "true":
        told["diverged_commits_count"] = len(one.project.bare.commits(one.sha, one.target_branch))
    return Answer(200, told)


@answers("merge_requests/create")
def created(asked: Asked) -> Answer:
    asked.at_least(DEVELOPER)
    source, target = asked.at, asked.given("target_project_id")
    made = asked.world.merge_request(
        asked.visible(str(target)) if target else source, asked.given("source_branch"),
        asked.given("target_branch"), title=_title(asked), author=asked.by, origin=source,
        description=asked.given("description"), squash=asked.given("squash", False),
        remove_source=asked.given("remove_source_branch", source.delete_merged),
        labels=[asked.world.label(source, name) for name in names(asked.given("labels", ""))],
        assignees=members(asked, "assignee_ids", "assignee_id") or [],
        reviewers=members(asked, "reviewer_ids") or [],
    )  # fmt: skip
    made.prepared_at = None  # which is done once somebody looks
    return _shown(asked, made, 201)


@answers("merge_requests/update")
def updated(asked: Asked) -> Answer:
    one, world, body = asked.merge_request, asked.world, asked.fields
    asked.at_least(DEVELOPER)
    if not body:
        raise Refused(400, "assignee_id, assignee_ids, … are missing, "
                           "at least one parameter must be provided", "error")  # fmt: skip
    if "target_branch" in body and body["target_branch"] != one.target_branch:
        world.retarget(one, body["target_branch"], asked.by)
    world.edit(one, asked.by, **_fields(asked))
    if (wanted := labels_after(asked, [label.name for label in one.labels])) is not None:
        world.relabel(one, wanted, asked.by)
    if (who := members(asked, "assignee_ids", "assignee_id")) is not None:
        world.assign(one, who, asked.by)
    _opened_or_closed(asked, one)
    world.edited(one)
    return _shown(asked, one)


def _fields(asked: Asked) -> dict[str, Any]:
    kept = {
        "title": "title", "description": "description", "squash": "squash",
        "remove_source_branch": "remove_source", "discussion_locked": "locked",
    }  # fmt: skip
    told = {own: asked.fields[name] for name, own in kept.items() if name in asked.fields}
    if "title" in told:
        told["title"] = _title(asked)
    if (who := members(asked, "reviewer_ids")) is not None:
        told["reviewers"] = who
    return told


def _opened_or_closed(asked: Asked, one: MergeRequest) -> None:
    if asked.given("state_event") == "close":
        asked.world.close(one, asked.by)
    elif asked.given("state_event") == "reopen" and one.state == "closed":
        if asked.world.open_merge_requests(source=one.source, source_branch=one.source_branch):
            said = "Another open merge request already exists for this source branch"
            raise Refused(409, [said])
        asked.world.reopen(one, asked.by)


@answers("merge_requests/merge")
def merged(asked: Asked) -> Answer:
    one = asked.merge_request
    wish = Wish(
        by=asked.by, squash=asked.given("squash"), message=asked.given("merge_commit_message"),
        squash_message=asked.given("squash_commit_message"),
        remove_source=asked.given("should_remove_source_branch"),
    )  # fmt: skip
    later = asked.given("auto_merge", asked.given("merge_when_pipeline_succeeds", False))
    merge = asked.world.merge_when_ready if later else asked.world.merge
    merge(one, wish, asked.given("sha"))
    return _shown(asked, one)


@answers("merge_requests/cancel_auto_merge")
def cancelled(asked: Asked) -> Answer:
    one = asked.merge_request
    if not asked.world.may_merge(one, asked.by) and asked.by is not one.author:
        raise Refused(401, "401 Unauthorized")
    if one.auto_merge is None:
        said = {"message": "Can't cancel the automatic merge", "http_status": 406}
        return Answer(201, {"status": "error", **said})
    one.auto_merge = None
    return Answer(201, {"status": "success"})


@answers("merge_requests/rebase")
def rebased(asked: Asked) -> Answer:
    asked.world.rebase(asked.merge_request, asked.by)
    return Answer(202, {"rebase_in_progress": True})


@answers("merge_requests/versions")
def versions(asked: Asked) -> Answer:
    one = asked.merge_request
    return Answer(200, [asked.telling.version(one, v) for v in asked.page_of(one.versions)])


@answers("merge_requests/commits")
def commits(asked: Asked) -> Answer:
    one = asked.merge_request
    made = one.project.bare.commits(one.base_sha, one.sha)[::-1]
    return Answer(200, [asked.telling.commit(commit, asked.at) for commit in asked.page_of(made)])


@answers("merge_requests/diffs")
def diffs(asked: Asked) -> Answer:
    one = asked.merge_request
    changed = one.project.bare.changed(one.start_sha, one.sha)
    return Answer(200, [asked.telling.diff(file) for file in asked.page_of(changed)])


@answers("merge_requests/pipelines")
def pipelines(asked: Asked) -> Answer:
    runs = asked.page_of(asked.world.pipelines(asked.merge_request))
    return Answer(200, [asked.telling.pipeline(run) for run in runs])


@answers("merge_requests/reviewers")
def reviewers(asked: Asked) -> Answer:
    one = asked.merge_request
    return Answer(200, [asked.telling.reviewer(one, user) for user in asked.page_of(one.reviewers)])


@answers("merge_requests/closes_issues")
def closes(asked: Asked) -> Answer:
    issues = asked.page_of(asked.world.closed_by(asked.merge_request))
    return Answer(200, [asked.telling.issue(issue) for issue in issues])


@answers("merge_trains/get")
def train(asked: Asked) -> Answer:
    found(asked.merge_request.train)
    return Answer(200, asked.telling.train(asked.merge_request))


@answers("merge_trains/add")
def boarded(asked: Asked) -> Answer:
    if not asked.at.merge_trains:
        raise Refused(403, "403 Forbidden")
    asked.world.board(asked.merge_request, asked.by, asked.given("sha"))
    return Answer(201, [asked.telling.train(asked.merge_request)])


@answers("approvals/get")
def approvals(asked: Asked) -> Answer:
    return Answer(200, asked.telling.approvals(asked.merge_request, asked.by))


@answers("approvals/state")
def approval_state(asked: Asked) -> Answer:
    found(None if asked.at.tier == "free" else asked.at)
    return Answer(200, asked.telling.approval_state(asked.merge_request))


@answers("approvals/approve")
def approved(asked: Asked) -> Answer:
    one, sha = asked.merge_request, asked.given("sha")
    if sha and sha != one.sha:
        raise Refused(409, f"SHA does not match HEAD of source branch: {one.sha}")
    asked.world.approve(one, asked.by)
    return Answer(201, asked.telling.approvals(one, asked.by))


@answers("approvals/unapprove")
def unapproved(asked: Asked) -> Answer:
    asked.world.unapprove(asked.merge_request, asked.by)
    return Answer(201, asked.telling.approvals(asked.merge_request, asked.by))


def _title(asked: Asked) -> str:
    title = str(asked.given("title")).strip()
    if not title:
        raise Refused(400, {"title": ["can't be blank"]})
    if len(title) > 255:
        raise Refused(400, {"title": ["is too long (maximum is 255 characters)"]})
    return title


def _listed(asked: Asked, one: MergeRequest) -> Facts:
    """As it is now where labels are told in full; else as it was when its mark was new."""
    told = asked.telling.merge_request(one)
    if asked.query.get("with_labels_details") == "true":
        return {**told, "labels": asked.telling.labels(one)}
    kept = ("id", "updated_at", "merge_status", "labels", "assignees", "reviewers")
    return asked.world.kept.setdefault(str([asked.by.id, *(told[name] for name in kept)]), told)


def _yes(one: bool) -> str:
    return "yes" if one else "no"
