"""The mutations of the GraphQL interface."""

from collections.abc import Callable
from typing import Any

from standins.graphql import Resolver
from standins.linear.fields import FIELDS, Ask
from standins.linear.records import Issue, Label, State, Team, User
from standins.linear.world import Refused

Given = dict[str, Any]
_TITLE = 255
_KNOWN = {
    "id", "teamId", "title", "description", "stateId", "assigneeId", "labelIds", "addedLabelIds",
    "removedLabelIds", "parentId", "priority",
}  # fmt: skip


def _create(ask: Ask, input: Given) -> Given:
    _understood(input)
    team = ask.world.known(input["teamId"], Team)
    labels = [_label(ask, one, team) for one in input.get("labelIds") or ()]
    _exclusive(labels)
    issue = ask.world.issue(
        team, _title(input.get("title")), by=ask.access.user, id=input.get("id"),
        description=input.get("description"), labels=labels,
        state=_state(ask, input, team) or ask.world.state(team, "backlog"),
        assignee=_person(ask, input.get("assigneeId")),
        parent=ask.world.known(input["parentId"], Issue) if input.get("parentId") else None,
        priority=input.get("priority") or 0,
    )  # fmt: skip
    return {"issue": issue}


def _update(ask: Ask, id: str, input: Given) -> Given:
    _understood(input)
    issue = ask.world.known(id, Issue)
    labels = _labels(ask, issue, input)
    state = _state(ask, input, issue.team)
    title = _title(input["title"]) if "title" in input else issue.title
    if "assigneeId" in input:
        issue.assignee = _person(ask, input["assigneeId"])
    issue.labels, issue.state, issue.title = labels, state or issue.state, title
    issue.description = input.get("description", issue.description)
    ask.world.touch(issue)
    return {"issue": issue}


def _comment(ask: Ask, input: Given) -> Given:
    if not (input.get("body") or "").strip():
        raise Refused("Argument Validation Error", "body should not be empty.")
    issue = ask.world.known(input.get("issueId") or "", Issue)
    made = ask.world.comment(issue, input["body"], ask.access.user, input.get("id"))
    return {"comment": made}


def _new_label(ask: Ask, input: Given) -> Given:
    if ask.world.labels_for_admins:
        said = "You don't have permission to manage labels."
        raise Refused("Forbidden", said, code="FORBIDDEN", status=403)
    team = ask.world.known(input["teamId"], Team) if input.get("teamId") else None
    return {"issueLabel": ask.world.label(input["name"], team, id=input.get("id"))}


def _labels(ask: Ask, issue: Issue, input: Given) -> list[Label]:
    labels = list(issue.labels)
    if "labelIds" in input:
        labels = [_label(ask, one, issue.team) for one in input["labelIds"] or ()]
    gone = {_label(ask, one, issue.team) for one in input.get("removedLabelIds") or ()}
    added = [_label(ask, one, issue.team) for one in input.get("addedLabelIds") or ()]
    kept = [one for one in labels if one not in gone]
    found = [*kept, *(one for one in added if one not in kept)]
    _exclusive(found)
    return found


def _label(ask: Ask, id: str, team: Team) -> Label:
    label = ask.world.known(id, Label)
    if label.team not in (None, team):
        raise Refused("LabelIds incorrect team", "The label is not of the issue's team.")
    if label.is_group:
        raise Refused("LabelIds contain group", f"The label '{label.name}' is a group.")
    return label


def _exclusive(labels: list[Label]) -> None:
    groups = [one.parent for one in labels if one.parent]
    if len(groups) != len(set(groups)):
        said = "Only one label in a group can be applied to an issue."
        raise Refused("labelIds not exclusive child labels", said)


def _state(ask: Ask, input: Given, team: Team) -> State | None:
    if input.get("stateId") is None:
        return None
    state = ask.world.known(input["stateId"], State)
    if state.team is not team:
        raise Refused("Discrepancy between issue team and state team")
    return state


def _person(ask: Ask, id: str | None) -> User | None:
    if id is None:
        return None
    user = ask.world.known(id, User)
    if not user.active:
        raise Refused("Assignee is not active", "The user is suspended.")
    return user


def _title(given: str | None) -> str:
    if not given or not given.strip() or len(given) > _TITLE or "\n" in given:
        raise Refused("Argument Validation Error", f"title must have 1 to {_TITLE} characters.")
    return given.strip()


def _understood(input: Given) -> None:
    if unknown := input.keys() - _KNOWN:
        raise NotImplementedError(f"the stand-in does not know {sorted(unknown)}")


def _allowed(change: Callable[..., Given]) -> Resolver:
    def made(_: Any, ask: Ask, **given: Any) -> Given:
        if not ask.access.may_write:
            raise Refused("Invalid scope: `write` required", code="FORBIDDEN", status=403)
        return {"success": True, "lastSyncId": 1.0, **change(ask, **given)}

    return made


FIELDS["Mutation"] = {
    "commentCreate": _allowed(_comment),
    "issueCreate": _allowed(_create),
    "issueLabelCreate": _allowed(_new_label),
    "issueUpdate": _allowed(_update),
}
