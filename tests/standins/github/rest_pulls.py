"""Pull requests: https://docs.github.com/rest/pulls/pulls"""

from standins.github.pulls import invalid
from standins.github.records import Pull, Repository
from standins.github.rest import Answer, Asked, answers, found

_DIFF = "application/vnd.github.diff"


@answers("pulls/list")
def listed(asked: Asked) -> Answer:
    query = asked.query
    state, head, base = query.get("state", "open"), query.get("head"), query.get("base")
    kept = [
        one
        for one in asked.at.pulls.values()
        if state in ("all", one.state)
        and base in (None, one.base)
        and (head is None or head == f"{one.head_owner.login}:{one.head}")
    ]
    by_update = query.get("sort") == "updated"
    oldest_first = query.get("direction", "asc" if by_update else "desc") == "asc"
    kept.sort(
        key=lambda one: (one.updated_at if by_update else "", one.number), reverse=not oldest_first
    )
    return Answer(200, [asked.telling.pull(one) for one in asked.page_of(kept)])


@answers("pulls/get")
def shown(asked: Asked) -> Answer:
    if _DIFF in asked.accept:
        one = asked.pull
        return Answer(
            200,
            text=one.repository.bare.diff(one.base_sha, one.head_sha),
            headers={"content-type": f"{_DIFF}; charset=utf-8"},
        )
    return Answer(200, asked.telling.whole_pull(asked.pull))


@answers("pulls/create")
def created(asked: Asked) -> Answer:
    owner, _, head = str(asked.given("head")).rpartition(":")
    title = asked.given("title")
    if not title:
        raise invalid(field="title", code="missing_field")
    made = asked.world.pull(
        asked.at.full_name, head, asked.given("base"), title=title, body=asked.given("body") or "",
        draft=asked.given("draft", False), author=asked.by, origin=_origin(asked, owner),
    )  # fmt: skip
    return Answer(201, told := asked.telling.counted_pull(made), {"location": told["url"]})


def _origin(asked: Asked, owner: str) -> Repository | None:
    """The repository in the same network whose branch is meant."""
    if owner.lower() in ("", asked.at.owner.login.lower()):
        return None
    forks = [one for one in asked.world.repositories.values() if one.parent is asked.at]
    for fork in forks:
        if fork.owner.login.lower() == owner.lower():
            return fork
    raise invalid(field="head", code="invalid")


@answers("pulls/update")
def updated(asked: Asked) -> Answer:
    pull, world, body = asked.pull, asked.world, asked.fields
    world.edit(pull, asked.by, body.get("title"), body.get("body", pull.body))
    if body.get("base", pull.base) != pull.base:
        world.retarget(pull, body["base"], asked.by)
    if body.get("state") == "closed":
        world.close(pull, asked.by)
    elif body.get("state") == "open":
        _reopened(asked, pull)
    return Answer(200, asked.telling.counted_pull(pull))


def _reopened(asked: Asked, pull: Pull) -> None:
    there = pull.head_repository and pull.head_repository.bare.find(f"refs/heads/{pull.head}")
    if pull.merged_at or not there:
        raise invalid(
            field="state", message="state cannot be changed. The pull request cannot be reopened."
        )
    asked.world.reopen(pull, asked.by)


@answers("pulls/merge")
def merged(asked: Asked) -> Answer:
    sha = asked.world.merge(
        asked.pull, asked.given("merge_method", "merge"), sha=asked.given("sha"),
        title=asked.given("commit_title"), message=asked.given("commit_message"), by=asked.by,
    )  # fmt: skip
    return Answer(200, {"sha": sha, "merged": True, "message": "Pull Request successfully merged"})


@answers("pulls/check-if-merged")
def is_merged(asked: Asked) -> Answer:
    found(asked.pull.merged_at)
    return Answer(204)


@answers("pulls/update-branch")
def caught_up(asked: Asked) -> Answer:
    asked.world.update_branch(asked.pull, asked.by, asked.given("expected_head_sha"))
    url = asked.telling.page(asked.at, "pull", asked.pull.number)
    return Answer(202, {"message": "Updating pull request branch.", "url": url})


@answers("pulls/list-files")
def files(asked: Asked) -> Answer:
    pull = asked.pull
    changed = pull.repository.bare.changed(pull.base_sha, pull.head_sha)
    return Answer(200, [asked.telling.file(one, pull) for one in asked.page_of(changed)])


@answers("pulls/list-commits")
def commits(asked: Asked) -> Answer:
    pull = asked.pull
    made = pull.repository.bare.commits(pull.base_sha, pull.head_sha)
    return Answer(200, [asked.telling.commit(one, asked.at) for one in asked.page_of(made)])


@answers("repos/list-pull-requests-associated-with-commit")
def of_commit(asked: Asked) -> Answer:
    sha = asked.sha("commit_sha")
    kept = [one for one in asked.at.pulls.values() if sha in (one.head_sha, one.merge_sha)]
    return Answer(200, [asked.telling.pull(one) for one in asked.page_of(kept)])


@answers("pulls/list-requested-reviewers")
def reviewers(asked: Asked) -> Answer:
    told = [asked.telling.user(one) for one in asked.pull.reviewers]
    return Answer(200, {"users": told, "teams": []})


@answers("pulls/request-reviewers")
def review_asked(asked: Asked) -> Answer:
    wanted = [asked.world.users.get(login) for login in asked.given("reviewers", [])]
    known = [one for one in wanted if one and one is not asked.pull.author]
    if len(known) < len(wanted):
        raise invalid(message="Reviews may only be requested from collaborators.")
    asked.world.ask(asked.pull, known, asked.by)
    return Answer(201, asked.telling.pull(asked.pull))


@answers("pulls/remove-requested-reviewers")
def review_unasked(asked: Asked) -> Answer:
    gone = [asked.world.user(login) for login in asked.given("reviewers", [])]
    asked.world.unask(asked.pull, gone, asked.by)
    return Answer(200, asked.telling.pull(asked.pull))
