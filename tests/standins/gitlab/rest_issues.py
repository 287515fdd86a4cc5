"""Issues, their links, and labels: https://docs.gitlab.com/api/issues/ and /issue_links/"""

from standins.gitlab.facts import Facts
from standins.gitlab.records import REPORTER, Issue
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


@answers("issues/list")
def listed(asked: Asked) -> Answer:
    iids = asked.several.get("iids[]", ())
    kept = kept_by(list(asked.at.issues.values()), asked.query)
    kept = [one for one in kept if not iids or str(one.iid) in iids]
    detailed = asked.query.get("with_labels_details") == "true"
    return Answer(200, [_listed(asked, one, detailed) for one in asked.page_of(kept)])


@answers("issues/get")
def shown(asked: Asked) -> Answer:
    return Answer(200, asked.telling.issue(asked.issue))


@answers("issues/create")
def created(asked: Asked) -> Answer:
    _titled(asked)
    labels = names(asked.given("labels", ""))
    made = asked.world.issue(
        asked.at.path, asked.given("title"), asked.given("description"), author=asked.by,
        labels=labels if asked.at.members.get(asked.by, 0) >= REPORTER else (),
    )  # fmt: skip
    made.assignees = members(asked, "assignee_ids", "assignee_id") or []
    made.confidential = asked.given("confidential", False)
    if made.description:
        made.description = asked.world.obeyed(made, made.description, asked.by)
    return Answer(201, asked.telling.issue(made))


@answers("issues/update")
def updated(asked: Asked) -> Answer:
    one, world, body = asked.issue, asked.world, asked.fields
    if not body:
        raise Refused(400, "assignee_id, assignee_ids, … are missing, "
                           "at least one parameter must be provided", "error")  # fmt: skip
    if "title" in body:
        _titled(asked)
    kept = ("title", "description", "confidential")
    world.edit(one, asked.by, **{name: body[name] for name in kept if name in body})
    if (wanted := labels_after(asked, [label.name for label in one.labels])) is not None:
        world.relabel(one, wanted, asked.by)
    if (who := members(asked, "assignee_ids", "assignee_id")) is not None:
        world.assign(one, who, asked.by)
    if event := body.get("state_event"):
        (world.close if event == "close" else world.reopen)(one, asked.by)
    return Answer(200, asked.telling.issue(one))


@answers("issues/closed_by")
def closed_by(asked: Asked) -> Answer:
    return _of_those_that_close(asked)


@answers("issues/related_merge_requests")
def related(asked: Asked) -> Answer:
    return _of_those_that_close(asked)


@answers("issue_links/list")
def links(asked: Asked) -> Answer:
    return Answer(200, [asked.telling.linked(one) for one in asked.page_of(asked.issue.links)])


@answers("issue_links/create")
def linked(asked: Asked) -> Answer:
    there = asked.visible(str(asked.given("target_project_id")))
    target = found(there.issues.get(int(asked.given("target_issue_iid"))))
    type_ = asked.given("link_type", "relates_to")
    if type_ != "relates_to" and asked.at.tier == "free":
        raise Refused(403, "Blocked issues not available for current license")
    made = asked.world.link(asked.issue, target, type_)
    return _link(asked, asked.issue, made.target, made.type, 201)


@answers("issue_links/delete")
def unlinked(asked: Asked) -> Answer:
    gone = asked.world.unlink(asked.issue, int(asked.path["issue_link_id"]))
    return _link(asked, gone.source, gone.target, gone.type, 200)


@answers("labels/list")
def labels(asked: Asked) -> Answer:
    wanted = asked.query.get("search", "").lower()
    kept = [one for one in asked.at.labels.values() if wanted in one.name.lower()]
    return Answer(200, [asked.telling.label(one) for one in asked.page_of(kept)])


@answers("labels/create")
def labelled(asked: Asked) -> Answer:
    asked.at_least(REPORTER)
    name, more = asked.given("name"), {"color": asked.given("color")}
    if name in asked.at.labels:
        raise Refused(409, "Label already exists")
    made = asked.world.label(asked.at, name, **more, description=asked.given("description"))
    return Answer(201, asked.telling.label(made))


def _listed(asked: Asked, one: Issue, detailed: bool) -> Facts:
    told = asked.telling.issue(one)
    return {**told, "labels": asked.telling.labels(one)} if detailed else told


def _of_those_that_close(asked: Asked) -> Answer:
    issue, world = asked.issue, asked.world
    kept = [one for one in asked.at.merge_requests.values() if issue in world.closed_by(one)]
    return Answer(200, [asked.telling.merge_request(one) for one in asked.page_of(kept)])


def _link(asked: Asked, source: Issue, target: Issue, type_: str, status: int) -> Answer:
    both = {
        "source_issue": asked.telling.issue(source),
        "target_issue": asked.telling.issue(target),
    }
    return Answer(status, {**both, "link_type": type_})


def _titled(asked: Asked) -> None:
    title = str(asked.given("title"))
    if not title.strip():
        raise Refused(400, {"title": ["can't be blank"]})
    if len(title) > 255:
        raise Refused(400, {"title": ["is too long (maximum is 255 characters)"]})
