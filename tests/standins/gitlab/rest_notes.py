"""Notes and discussions: https://docs.gitlab.com/api/notes/ and /discussions/"""

from typing import Any

from standins.gitlab.records import Discussion, Issue, Note
from standins.gitlab.rest import Answer, Asked, answers, of_id
from standins.gitlab.state import Refused

_NEEDED = {"base_sha", "start_sha", "head_sha", "position_type"}


@answers("merge_request_notes/list")
def notes_of_merge_request(asked: Asked) -> Answer:
    return _listed(asked, asked.merge_request)


@answers("issue_notes/list")
def notes_of_issue(asked: Asked) -> Answer:
    return _listed(asked, asked.issue)


@answers("merge_request_notes/create")
def said_of_merge_request(asked: Asked) -> Answer:
    return _said(asked, asked.merge_request)


@answers("issue_notes/create")
def said_of_issue(asked: Asked) -> Answer:
    return _said(asked, asked.issue)


@answers("merge_request_notes/update")
def edited_of_merge_request(asked: Asked) -> Answer:
    return _edited(asked, asked.merge_request)


@answers("issue_notes/update")
def edited_of_issue(asked: Asked) -> Answer:
    return _edited(asked, asked.issue)


@answers("discussions/list")
def discussions(asked: Asked) -> Answer:
    page = asked.page_of(asked.merge_request.discussions)
    return Answer(200, [asked.telling.discussion(one) for one in page])


@answers("discussions/get")
def discussion(asked: Asked) -> Answer:
    return Answer(200, asked.telling.discussion(_discussion(asked)))


@answers("discussions/create")
def begun(asked: Asked) -> Answer:
    one = asked.merge_request
    asked.world.discussion(one, _body(asked), asked.by, position=_position(asked))
    return Answer(201, asked.telling.discussion(one.discussions[-1]))


@answers("discussions/reply")
def replied(asked: Asked) -> Answer:
    made = asked.world.reply(_discussion(asked), _body(asked), asked.by)
    return Answer(201, asked.telling.note(made))


@answers("discussions/resolve")
def resolved(asked: Asked) -> Answer:
    one = _discussion(asked)
    if not one.resolvable:
        raise Refused(400, "400 Bad request - discussion is not resolvable")
    asked.world.resolve(one, asked.by, asked.given("resolved"))
    return Answer(200, asked.telling.discussion(one))


def _listed(asked: Asked, about: Issue) -> Answer:
    field = "updated_at" if asked.query.get("order_by") == "updated_at" else "created_at"
    newest_first = asked.query.get("sort", "desc") == "desc"
    wanted = asked.query.get("activity_filter", "all_notes")
    kept = [
        n for n in about.notes if wanted == "all_notes" or n.system == (wanted[5:] == "activity")
    ]
    kept.sort(key=lambda note: (getattr(note, field), note.id), reverse=newest_first)
    return Answer(200, [asked.telling.note(note) for note in asked.page_of(kept)])


def _said(asked: Asked, about: Issue) -> Answer:
    internal = asked.given("internal", False)
    body = asked.world.obeyed(about, _body(asked), asked.by)
    made = asked.world.note(about, body, asked.by, internal=internal)
    return Answer(201, asked.telling.note(made))


def _edited(asked: Asked, about: Issue) -> Answer:
    note: Note = of_id(about.notes, asked.path["note_id"])
    if note.author is not asked.by or note.system:
        raise Refused(403, "403 Forbidden")
    note.body, note.updated_at = _body(asked), asked.world.moment()
    return Answer(200, asked.telling.note(note))


def _discussion(asked: Asked) -> Discussion:
    return of_id(asked.merge_request.discussions, asked.path["discussion_id"])


def _body(asked: Asked) -> str:
    body = str(asked.given("body"))
    if not body.strip():
        raise Refused(400, {"note": ["can't be blank"]})
    return body


def _position(asked: Asked) -> dict[str, Any] | None:
    """About which line it is; of a line that the diff has not, the host wants to hear nothing."""
    told: dict[str, Any] | None = asked.given("position")
    if told is None:
        return None
    if missing := sorted(_NEEDED - told.keys()):
        raise Refused(400, ", ".join(f"position[{name}] is missing" for name in missing), "error")
    changed = asked.at.bare.changed(asked.merge_request.start_sha, asked.merge_request.sha)
    path = told.get("new_path") or told.get("old_path")
    if path not in [file.name for file in changed]:
        raise Refused(400, '400 Bad request - Note {:line_code=>["can\'t be blank"]}')
    blank = {"old_path": path, "new_path": path, "old_line": None, "new_line": None}
    return {**blank, "line_range": None, **told}
