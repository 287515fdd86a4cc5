"""Which files a pull request is in conflict over: hosts do not tell, so git is asked here."""

from ao_core.errors import AoError
from ao_core.git.joining import merge_tree
from ao_core.git.repository import Git
from ao_core.git.upstream import fetched, tracking
from ao_core.plugin import Scope


async def conflicting_files(scope: Scope, base: str, head: str) -> tuple[str, ...]:
    """As far as it can be found out: the remote's base against a commit that is known here."""
    if scope.repository is None:
        return ()
    git = Git(scope.run, scope.repository)
    try:
        onto = await _tip(git, base)
        return (await merge_tree(git, onto, head))[1] if onto else ()
    except AoError:
        return ()  # that there is a conflict is told all the same


async def _tip(git: Git, base: str) -> str | None:
    """The remote's base as it is now; or as it is known here, where somebody else fetches it."""
    try:
        return await fetched(git, base)
    except AoError:
        return await git.resolve(tracking(base))
