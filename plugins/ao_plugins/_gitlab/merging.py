"""A merge on GitLab: exactly this head, once, now or in its turn.

https://docs.gitlab.com/api/merge_requests/#merge-a-merge-request
https://docs.gitlab.com/api/merge_trains/#add-a-merge-request-to-a-merge-train
"""

from http import HTTPStatus

from ao_core.errors import Conflict, Rejected, Unauthorized, Unavailable
from ao_core.http import Urgency
from ao_core.model.work import Landed, Landing, MergeMethod
from ao_plugins._gitlab.blockers import HANDED_OVER, TRAIN, own_word
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.seen import Seen
from ao_plugins._gitlab.shape import Shape
from ao_plugins._gitlab.standing import Standing

_TRUSTED = "Merging into it takes a role that the project's rules for branches ask for."


class Rules(Shape):
    """How a project wants to be merged into."""

    merge_method: str = "merge"
    squash_option: str = "default_off"
    merge_trains_enabled: bool = False

    def forbids(self, method: MergeMethod) -> str | None:
        """Why this method cannot be had."""
        if method is MergeMethod.SQUASH and self.squash_option == "never":
            return "the project forbids to squash"
        if method is not MergeMethod.SQUASH and self.squash_option == "always":
            return "the project wants every merge to be squashed"
        return None


async def rules(gitlab: GitLab) -> Rules:
    """As they are now."""
    return await gitlab.rest.ask("GET", gitlab.path, into=Rules)


async def merged(gitlab: GitLab, standing: Standing, seen: Seen, how: dict[str, object]) -> Landed:
    """Ask for it; after a refusal, or none but a lost answer, it is looked at before any word."""
    try:
        path = f"{gitlab.merge_request(seen.iid)}/merge"
        after = await gitlab.rest.ask("PUT", path, into=Seen, json=how, urgency=Urgency.ACT)
    except (Rejected, Unavailable) as exc:
        after = await standing.current(seen.iid)
        if after.state != "merged":
            return _refused(after, exc)
    except Unauthorized as exc:
        raise Unauthorized(f"this user may not merge into {seen.target_branch}",
                           hint=_TRUSTED, status=exc.status, said=exc.said) from exc  # fmt: skip
    return _landed(seen, after)


async def boarded(gitlab: GitLab, seen: Seen, *, squash: bool) -> Landed:
    """Put it on the merge train; that it is there already is no fault."""
    train = f"{gitlab.path}/merge_trains/merge_requests/{seen.iid}"
    try:
        body = {"sha": seen.sha, "squash": squash}
        await gitlab.rest.ask("POST", train, into=object, json=body)
    except (Rejected, Unavailable) as exc:
        if exc.status == HTTPStatus.CONFLICT:
            raise _moved(seen) from exc
        if not await _rides(gitlab, train):
            return _refused(seen, exc)
    return Landed(Landing.READY, blockers=(TRAIN,), promised=True)


def _landed(seen: Seen, after: Seen) -> Landed:
    if after.state == "merged":
        if after.sha != seen.sha:
            raise _moved(seen)
        return Landed(Landing.LANDED, after.merged_as)
    if after.merge_when_pipeline_succeeds:
        return Landed(Landing.READY, blockers=(HANDED_OVER,), promised=True)
    raise Unavailable(f"GitLab did not say that !{seen.iid} is merged")


def _refused(after: Seen, why: Rejected | Unavailable) -> Landed:
    if isinstance(why, Unavailable):
        raise why
    if why.status == HTTPStatus.CONFLICT:
        raise _moved(after) from why
    return Landed(Landing.READY, blockers=(own_word(after) or why.said or why.message,))


async def _rides(gitlab: GitLab, train: str) -> bool:
    answer = await gitlab.rest.fetch("GET", train, accepted=(HTTPStatus.NOT_FOUND,))
    return answer.status == HTTPStatus.OK


def _moved(seen: Seen) -> Conflict:
    return Conflict(f"{seen.source_branch} has moved on", hint="Look at it again, then merge.")
