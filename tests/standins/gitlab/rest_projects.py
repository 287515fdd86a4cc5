"""Projects, users, branches, commits and hooks: https://docs.gitlab.com/api/projects/"""

from typing import Any

from standins.gitlab.records import DEVELOPER, MAINTAINER, Hook, User
from standins.gitlab.rest import Answer, Asked, answers, found, of_id
from standins.gitlab.state import NotFound, Refused


@answers("user/get")
def user(asked: Asked) -> Answer:
    return Answer(200, asked.telling.user(asked.by))


@answers("users/list")
def users(asked: Asked) -> Answer:
    name, text = asked.query.get("username"), asked.query.get("search", "").lower()
    kept = [
        one
        for one in asked.world.users.values()
        if (name is None or name.lower() == one.username.lower()) and text in one.username.lower()
    ]
    return Answer(200, asked.telling.users(asked.page_of(kept)))


@answers("users/get")
def account(asked: Asked) -> Answer:
    return Answer(200, asked.telling.user(_known(asked)))


@answers("projects/get")
def project(asked: Asked) -> Answer:
    return Answer(200, asked.telling.project(asked.at, asked.by))


@answers("members/list")
def members(asked: Asked) -> Answer:
    wanted = asked.query.get("query", "").lower()
    ids = asked.several.get("user_ids[]", ())
    kept = [
        one
        for one in asked.at.members
        if wanted in one.username.lower() and (not ids or str(one.id) in ids)
    ]
    return Answer(200, [asked.telling.member(asked.at, one) for one in asked.page_of(kept)])


@answers("members/get")
def member(asked: Asked) -> Answer:
    one = found(asked.world.member_of_id(asked.at, int(asked.path["user_id"])))
    return Answer(200, asked.telling.member(asked.at, one))


@answers("branches/list")
def branches(asked: Asked) -> Answer:
    wanted = asked.query.get("search", "")
    kept = [(name, sha) for name, sha in asked.at.bare.heads().items() if wanted in name]
    told = [asked.telling.branch(name, sha, asked.at) for name, sha in asked.page_of(kept)]
    return Answer(200, told)


@answers("branches/get")
def branch(asked: Asked) -> Answer:
    name = asked.path["branch"]
    if sha := asked.at.bare.heads().get(name):
        return Answer(200, asked.telling.branch(name, sha, asked.at))
    raise NotFound("Branch")


@answers("branches/delete")
def branch_gone(asked: Asked) -> Answer:
    asked.at_least(DEVELOPER)
    at, name = asked.at, asked.path["branch"]
    if name not in (before := at.bare.heads()):
        raise NotFound("Branch")
    if name == at.default_branch:
        raise Refused(403, "Protected branch can't be removed")
    at.bare.drop(f"refs/heads/{name}")
    asked.world.pushed(at, before, asked.by)
    return Answer(204)


@answers("commits/get")
def commit(asked: Asked) -> Answer:
    if sha := asked.at.bare.find(asked.path["sha"]):
        return Answer(200, asked.telling.commit(asked.at.bare.commit(sha), asked.at))
    raise NotFound("Commit")


@answers("commits/merge_requests")
def of_commit(asked: Asked) -> Answer:
    sha = found(asked.at.bare.find(asked.path["sha"]))
    kept = [
        one
        for one in asked.at.merge_requests.values()
        if sha in (one.sha, one.merge_commit_sha, one.squash_commit_sha)
        and asked.query.get("state", one.state) == one.state
    ]
    return Answer(200, [asked.telling.merge_request(one) for one in asked.page_of(kept)])


@answers("hooks/list")
def hooks(asked: Asked) -> Answer:
    asked.at_least(MAINTAINER)
    page = asked.page_of(asked.at.hooks)
    return Answer(200, [asked.telling.hook(one, asked.at) for one in page])


@answers("hooks/get")
def hook(asked: Asked) -> Answer:
    asked.at_least(MAINTAINER)
    return Answer(200, asked.telling.hook(_hook(asked), asked.at))


@answers("hooks/create")
def hook_made(asked: Asked) -> Answer:
    """Pushes are told unless they are turned off; all else has to be asked for."""
    asked.at_least(MAINTAINER)
    url, token, wants, more = _wanted({"push_events": True, **asked.fields})
    made = asked.world.hook(asked.at.path, url, token or "", *(wants or {"none"}), **more)
    return Answer(201, asked.telling.hook(made, asked.at))


@answers("hooks/update")
def hook_changed(asked: Asked) -> Answer:
    """What is not named stays as it is; but with another address its secret is gone."""
    asked.at_least(MAINTAINER)
    known = _hook(asked)
    url, token, wants, more = _wanted(asked.fields)
    off = {name for name, on in more.items() if on is False}
    known.token = token if token is not None else known.token if known.url == url else ""
    known.url, known.wants = url, (known.wants | wants) - off
    known.settings = {**known.settings, **more}
    known.settings = {name: it for name, it in known.settings.items() if name not in wants}
    return Answer(200, asked.telling.hook(known, asked.at))


@answers("hooks/delete")
def hook_gone(asked: Asked) -> Answer:
    asked.at_least(MAINTAINER)
    asked.at.hooks.remove(_hook(asked))
    return Answer(204)


def _known(asked: Asked) -> User:
    if one := asked.world.by_id(int(asked.path["user_id"])):
        return one
    raise NotFound("User")


def _wanted(fields: dict[str, Any]) -> tuple[str, str | None, set[str], dict[str, Any]]:
    """Where to, with which secret, of what, and the other settings."""
    told = dict(fields)
    url = told.pop("url")
    if not url.startswith(("http://", "https://")):
        raise Refused(422, "Invalid url given")
    secrets = [told.pop(name) for name in ("token", "signing_token") if name in told]
    wants = {name for name, on in told.items() if name.endswith("_events") and on}
    more = {name: value for name, value in told.items() if name not in wants}
    return url, next(iter(secrets), None), wants, more


def _hook(asked: Asked) -> Hook:
    return of_id(asked.at.hooks, asked.path["hook_id"])
