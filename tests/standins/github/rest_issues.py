"""Issues, their comments, labels and assignees: https://docs.github.com/rest/issues"""

from collections.abc import Callable
from typing import Any

from standins.github.records import Comment, Issue
from standins.github.rest import Answer, Asked, answers, found, of_id
from standins.github.state import Refused


@answers("issues/list-for-repo")
def listed(asked: Asked) -> Answer:
    """The host counts pull requests among issues here."""
    kept = [one for one in asked.at.issues.values() if all(ask(one) for ask in _filters(asked))]
    order = {"updated": "updated_at", "created": "created_at"}.get(
        asked.query.get("sort", "created")
    )
    newest_first = asked.query.get("direction", "desc") == "desc"
    kept.sort(key=lambda one: (_rank(one, order), one.number), reverse=newest_first)
    return Answer(200, [asked.telling.issue(one) for one in asked.page_of(kept)])


def _rank(one: Issue, order: str | None) -> Any:
    return getattr(one, order) if order else len(one.comments)


def _filters(asked: Asked) -> list[Callable[[Issue], bool]]:
    query = asked.query
    state, since = query.get("state", "open"), query.get("since", "")
    names = {name.lower() for name in query.get("labels", "").split(",") if name}
    asks: list[Callable[[Issue], bool]] = [
        lambda one: state in ("all", one.state),
        lambda one: names <= {label.name.lower() for label in one.labels},
        lambda one: one.updated_at >= since,
        lambda one: query.get("creator") in (None, one.author.written),
        lambda one: f"@{query.get('mentioned', '')}" in f"{one.body}@",
    ]
    if (whose := query.get("assignee")) not in (None, "*", "none"):
        asks.append(lambda one: whose in [user.login for user in one.assignees])
    elif whose:
        asks.append(lambda one: bool(one.assignees) == (whose == "*"))
    return asks


@answers("issues/get")
def shown(asked: Asked) -> Answer:
    return Answer(200, asked.telling.issue(asked.issue))


@answers("issues/create")
def created(asked: Asked) -> Answer:
    assignees = asked.given("assignees") or [asked.given("assignee")]
    labels = _names(asked.given("labels", []))
    pushes = asked.access.may_push  # else both are passed over without a word
    made = asked.world.issue(
        asked.at.full_name, str(asked.given("title")), asked.given("body") or "",
        labels=labels if pushes else [], assignees=assignees if pushes else [], author=asked.by,
    )  # fmt: skip
    return Answer(201, told := asked.telling.issue(made), {"location": told["url"]})


@answers("issues/update")
def updated(asked: Asked) -> Answer:
    issue, world, body = asked.issue, asked.world, asked.fields
    title = None if body.get("title") is None else str(body["title"])
    world.edit(issue, asked.by, title, body["body"]) if "body" in body else world.edit(
        issue, asked.by, title
    )
    if "labels" in body:
        world.relabel(issue, _names(body["labels"]), asked.by)
    if "assignees" in body:
        world.assign(issue, body["assignees"], asked.by)
    if body.get("state") == "closed":
        world.close(issue, asked.by, body.get("state_reason") or "completed")
    elif body.get("state") == "open":
        world.reopen(issue, asked.by)
    return Answer(200, asked.telling.issue(issue))


@answers("issues/list-sub-issues")
def parts(asked: Asked) -> Answer:
    return Answer(200, [asked.telling.issue(one) for one in asked.page_of(asked.issue.parts)])


@answers("issues/add-sub-issue")
def new_part(asked: Asked) -> Answer:
    every = [one for at in asked.world.repositories.values() for one in at.issues.values()]
    part = of_id(every, str(asked.given("sub_issue_id")))
    if part.parent and not asked.given("replace_parent"):
        raise Refused(422, "Issue may not contain duplicate sub-issues")
    asked.world.part(asked.issue, part)
    return Answer(201, asked.telling.issue(part))


@answers("issues/get-parent")
def whole(asked: Asked) -> Answer:
    return Answer(200, asked.telling.issue(found(asked.issue.parent)))


@answers("issues/list-comments")
def comments(asked: Asked) -> Answer:
    since = asked.query.get("since", "")
    kept = [one for one in asked.issue.comments if one.updated_at >= since]
    return Answer(200, [asked.telling.comment(one) for one in asked.page_of(kept)])


@answers("issues/create-comment")
def commented(asked: Asked) -> Answer:
    made = asked.world.comment(asked.issue, asked.given("body"), asked.by)
    return Answer(201, told := asked.telling.comment(made), {"location": told["url"]})


@answers("issues/get-comment")
def comment(asked: Asked) -> Answer:
    return Answer(200, asked.telling.comment(_comment(asked)))


@answers("issues/update-comment")
def recommented(asked: Asked) -> Answer:
    asked.world.recomment(one := _comment(asked), asked.given("body"), asked.by)
    return Answer(200, asked.telling.comment(one))


@answers("issues/delete-comment")
def uncommented(asked: Asked) -> Answer:
    one = _comment(asked)
    one.issue.comments.remove(one)
    return Answer(204)


@answers("issues/list-labels-on-issue")
def labels(asked: Asked) -> Answer:
    return _labels(asked, asked.page_of(asked.issue.labels))


@answers("issues/add-labels")
def labelled(asked: Asked) -> Answer:
    return _relabelled(asked, [*_bears(asked.issue), *_names(asked.given("labels", []))])


@answers("issues/set-labels")
def relabelled(asked: Asked) -> Answer:
    return _relabelled(asked, _names(asked.given("labels", [])))


@answers("issues/remove-label")
def unlabelled(asked: Asked) -> Answer:
    gone = asked.path["name"].lower()
    found(next((name for name in _bears(asked.issue) if name.lower() == gone), None))
    return _relabelled(asked, [name for name in _bears(asked.issue) if name.lower() != gone])


@answers("issues/remove-all-labels")
def bare(asked: Asked) -> Answer:
    asked.world.relabel(asked.issue, [], asked.by)
    return Answer(204)


@answers("issues/list-labels-for-repo")
def known_labels(asked: Asked) -> Answer:
    return _labels(asked, asked.page_of([*asked.at.labels.values()]))


@answers("issues/create-label")
def new_label(asked: Asked) -> Answer:
    made = asked.world.label(asked.at, asked.given("name"), asked.given("color", "ededed"))
    made.description = asked.given("description")
    return Answer(201, asked.telling.label(made, asked.at))


@answers("issues/add-assignees")
def assigned(asked: Asked) -> Answer:
    there = [user.login for user in asked.issue.assignees]
    added: list[str] = asked.given("assignees", []) if asked.access.may_push else []
    asked.world.assign(asked.issue, [*there, *added], asked.by)
    return Answer(201, asked.telling.issue(asked.issue))


@answers("issues/remove-assignees")
def unassigned(asked: Asked) -> Answer:
    gone = asked.given("assignees", [])
    left = [user.login for user in asked.issue.assignees if user.login not in gone]
    asked.world.assign(asked.issue, left, asked.by)
    return Answer(200, asked.telling.issue(asked.issue))


def _relabelled(asked: Asked, names: list[str]) -> Answer:
    asked.world.relabel(asked.issue, names, asked.by)
    return _labels(asked, asked.issue.labels)


def _labels(asked: Asked, labels: Any) -> Answer:
    return Answer(200, [asked.telling.label(one, asked.at) for one in labels])


def _bears(issue: Issue) -> list[str]:
    return [label.name for label in issue.labels]


def _names(given: list[Any]) -> list[str]:
    return [one if isinstance(one, str) else one["name"] for one in given]


def _comment(asked: Asked) -> Comment:
    every = [one for issue in asked.at.issues.values() for one in issue.comments]
    return of_id(every, asked.path["comment_id"])
