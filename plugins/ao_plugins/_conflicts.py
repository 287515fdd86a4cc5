"""Which files a pull request is in conflict over: hosts do not tell, so git is asked here."""

from ao_core.errors import AoError
from ao_core.git.joining import merge_tree
from ao_core.git.repository import Git
from ao_core.git.upstream import fetched
from ao_core.plugin import Scope


async def conflicting_files(scope: Scope, base: str, head: str) -> tuple[str, ...]:
    """As far as it can be found out: the remote's base against a commit that is known here."""
    if scope.repository is None:
        return ()
    git = Git(scope.run, scope.repository)
    try:
        onto = await fetched(git, base)
        return (await merge_tree(git, onto, head))[1]
    except AoError:
        return ()  # that there is a conflict is told all the same
