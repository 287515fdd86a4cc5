"""A rebase by GitLab of exactly one head: asked for, waited for, and seen to be of that head.

https://docs.gitlab.com/api/merge_requests/#rebase-a-merge-request
"""

from ao_core.errors import Conflict, Rejected, Unauthorized, Unavailable
from ao_core.http import Urgency
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.seen import Seen
from ao_plugins._gitlab.shape import Shape
from ao_plugins._gitlab.standing import Standing

_TRIES = 30
_FEW = 3  # looks after which an error that was there before is believed to be of this rebase
_PAUSE, _LONGEST = 0.5, 5.0
_FAILED = "GitLab could not rebase it onto its target: it has to be rebased by hand"


class _Version(Shape):
    head_commit_sha: str


async def rebased(gitlab: GitLab, standing: Standing, seen: Seen) -> Seen | str:
    """The merge request with its new head, or why there is none; the head it had must be `seen`'s.

    Whether somebody has pushed meanwhile is read from the versions of its diff: the new head has to
    be the very next one.
    """
    path = gitlab.merge_request(seen.iid)
    await _begun(gitlab, standing, path, seen)
    after = await _over(standing, seen)
    if after.sha == seen.sha:
        return _FAILED
    if not await _is_next(gitlab, path, seen, after):
        hint = "Look at it again, then merge."
        raise Conflict(f"{seen.source_branch} has moved on while it was rebased", hint=hint)
    return await standing.settled(seen.iid)


async def _begun(gitlab: GitLab, standing: Standing, path: str, seen: Seen) -> None:
    """Ask for it; one that is under way already, since an answer was lost, is as good."""
    try:
        await gitlab.rest.ask("PUT", f"{path}/rebase", into=object, urgency=Urgency.ACT)
    except Unauthorized as exc:
        hint = "Whoever signs in has to be allowed to push to it."
        told = f"this user may not rebase {seen.source_branch}"
        raise Unauthorized(told, hint=hint, status=exc.status, said=exc.said) from exc
    except (Rejected, Unavailable):
        after = await standing.current(seen.iid)
        if not after.rebase_in_progress and after.sha == seen.sha:
            raise


async def _over(standing: Standing, seen: Seen) -> Seen:
    """Once it has another head, or an error; the head is told some time after the rebase."""
    clock = standing.looks.gitlab.rest.clock
    for count in range(1, _TRIES + 1):
        after = await standing.current(seen.iid)
        failed = after.merge_error and (after.merge_error != seen.merge_error or count > _FEW)
        if not after.rebase_in_progress and (after.sha != seen.sha or failed):
            return after
        await clock.sleep(min(_PAUSE * count, _LONGEST))
    raise Unavailable(f"GitLab has not rebased !{seen.iid} in time")


async def _is_next(gitlab: GitLab, path: str, before: Seen, after: Seen) -> bool:
    versions = await gitlab.rest.ask("GET", f"{path}/versions", into=list[_Version])
    heads = [one.head_commit_sha for one in versions]
    return heads[:2] == [after.sha, before.sha]
