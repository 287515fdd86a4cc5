"""Repositories, branches, refs and what protects them; and who is asking."""

from typing import Any

from standins.git import GitRefused
from standins.github.limits import RESOURCES
from standins.github.records import Protection
from standins.github.rest import Answer, Asked, answers, found
from standins.github.state import NotFound, Refused


@answers("users/get-authenticated")
def me(asked: Asked) -> Answer:
    return Answer(200, asked.telling.user(asked.by))


@answers("rate-limit/get")
def limits(asked: Asked) -> Answer:
    told = {name: asked.limits[name].told() for name in RESOURCES}
    return Answer(200, {"resources": told, "rate": told["core"]})


@answers("repos/get")
def shown(asked: Asked) -> Answer:
    return Answer(200, asked.telling.repository(asked.at))


@answers("repos/list-branches")
def branches(asked: Asked) -> Answer:
    kept = sorted(asked.at.bare.heads().items())
    if wanted := asked.query.get("protected"):
        kept = [one for one in kept if (one[0] in asked.at.protected) == (wanted == "true")]
    told = [
        {"name": name, "commit": _commit(asked, sha), "protected": name in asked.at.protected}
        for name, sha in asked.page_of(kept)
    ]
    return Answer(200, told)


@answers("repos/get-branch")
def branch(asked: Asked) -> Answer:
    name = asked.path["branch"]
    sha = found(asked.at.bare.find(f"refs/heads/{name}"))
    page, own = (
        asked.telling.page(asked.at, "tree", name),
        asked.telling.api(asked.at, "branches", name),
    )
    guarded = name in asked.at.protected
    told = {
        "name": name, "protected": guarded, "protection_url": f"{own}/protection",
        "commit": asked.telling.commit(asked.at.bare.commit(sha), asked.at),
        "_links": {"html": page, "self": own}, "protection": {"enabled": guarded},
    }  # fmt: skip
    return Answer(200, told)


@answers("repos/get-branch-protection")
def protection(asked: Asked) -> Answer:
    found(asked.at.bare.find(f"refs/heads/{asked.path['branch']}"))
    if not (one := asked.at.protected.get(asked.path["branch"])):
        raise NotFound("Branch not protected")
    return Answer(200, _protection(asked, one))


def _protection(asked: Asked, one: Protection) -> dict[str, Any]:
    url = asked.telling.api(asked.at, "branches", asked.path["branch"], "protection")
    told: dict[str, Any] = {
        "url": url, "enforce_admins": {"url": f"{url}/enforce_admins", "enabled": False},
        "required_conversation_resolution": {"enabled": one.conversations},
    }  # fmt: skip
    if one.reviews:
        told["required_pull_request_reviews"] = {
            "url": f"{url}/required_pull_request_reviews", "dismiss_stale_reviews": False,
            "require_code_owner_reviews": False, "required_approving_review_count": one.reviews,
        }  # fmt: skip
    if one.checks:
        told["required_status_checks"] = {
            "url": f"{url}/required_status_checks", "strict": one.up_to_date,
            "contexts": one.checks, "contexts_url": f"{url}/required_status_checks/contexts",
            "checks": [{"context": name, "app_id": None} for name in one.checks],
        }  # fmt: skip
    return told


@answers("repos/get-branch-rules")
def rules(asked: Asked) -> Answer:
    """Protection is no rule set, and is not told here; a merge queue is of one."""
    queue = asked.at.protection(asked.path["branch"]).queue
    told = {"type": "merge_queue", "parameters": {"merge_method": "MERGE"}}
    return Answer(200, [told] if queue else [])


@answers("git/get-ref")
def ref(asked: Asked) -> Answer:
    name = f"refs/{asked.path['ref']}"
    return Answer(200, _ref(asked, name, found(asked.at.bare.find(name))))


@answers("git/get-commit")
def git_commit(asked: Asked) -> Answer:
    sha = found(asked.at.bare.find(asked.path["commit_sha"]))
    return Answer(200, asked.telling.git_commit(asked.at.bare.commit(sha), asked.at))


@answers("git/create-ref")
def new_ref(asked: Asked) -> Answer:
    name, sha = str(asked.given("ref")), asked.at.bare.find(str(asked.given("sha")))
    if asked.at.bare.find(name):
        raise Refused(422, "Reference already exists")
    if not sha:
        raise Refused(422, "Object does not exist")
    _point(asked, name, sha)
    return Answer(201, _ref(asked, name, sha))


@answers("git/update-ref")
def moved_ref(asked: Asked) -> Answer:
    name, sha = f"refs/{asked.path['ref']}", asked.at.bare.find(str(asked.given("sha")))
    was = asked.at.bare.find(name)
    if not was or not sha:
        raise Refused(422, "Reference does not exist" if not was else "Object does not exist")
    if not asked.given("force", False) and not asked.at.bare.holds(sha, was):
        raise Refused(422, "Update is not a fast forward")
    _point(asked, name, sha)
    return Answer(200, _ref(asked, name, sha))


@answers("git/delete-ref")
def no_ref(asked: Asked) -> Answer:
    name, before = f"refs/{asked.path['ref']}", asked.at.bare.heads()
    if not asked.at.bare.find(name):
        raise Refused(422, "Reference does not exist")
    asked.at.bare.drop(name)
    asked.world.pushed(asked.at, before, asked.by)
    return Answer(204)


def _point(asked: Asked, name: str, sha: str) -> None:
    before = asked.at.bare.heads()
    try:
        asked.at.bare.point(name, sha)
    except GitRefused:
        raise Refused(422, f"{name} is not a valid ref name.") from None
    asked.world.pushed(asked.at, before, asked.by)


def _ref(asked: Asked, name: str, sha: str) -> dict[str, Any]:
    own = asked.telling.api(asked.at, "git", name)
    node = f"REF_{asked.at.id}_{name}"
    one = {"type": "commit", "sha": sha, "url": asked.telling.api(asked.at, "git/commits", sha)}
    return {"ref": name, "node_id": node, "url": own, "object": one}


def _commit(asked: Asked, sha: str) -> dict[str, str]:
    return {"sha": sha, "url": asked.telling.api(asked.at, "commits", sha)}
