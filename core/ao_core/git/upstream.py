"""A branch at its remote, without a person who could be asked: nothing of theirs is overwritten."""

from ao_core.errors import CommandFailed, Conflict, NotFound, Unavailable
from ao_core.git.origin import REMOTE
from ao_core.git.repository import Git

_PATIENCE = 120.0
_QUIETLY = (
    "--quiet", "--no-tags", "--no-prune", "--no-write-fetch-head", "--no-auto-maintenance",
    "--no-recurse-submodules",
)  # fmt: skip
# whoever has set a command for ssh keeps it; any other may not ask for a password
_SSH = ("-c", "core.sshCommand=ssh -oBatchMode=yes")


def tracking(branch: str, remote: str = REMOTE) -> str:
    """The ref that mirrors a branch of the remote here."""
    return f"refs/remotes/{remote}/{branch}"


async def fetched(git: Git, branch: str, remote: str = REMOTE) -> str:
    """Bring a branch of the remote here, as its mirror alone; its commit."""
    wanted = f"+refs/heads/{branch}:{tracking(branch, remote)}"
    args = (*await _ssh(git), "fetch", *_QUIETLY, "--", remote, wanted)
    try:
        done = await git.attempt(*args, deadline=_PATIENCE)
    except CommandFailed as exc:
        raise _unreachable(remote, branch) from exc
    if done.status != 0:
        if b"couldn't find remote ref" in done.stderr:
            raise NotFound(f"{remote} has no branch {branch}", hint="Push it first.")
        raise _unreachable(remote, branch)
    commit = await git.resolve(tracking(branch, remote))
    if commit is None:
        raise NotFound(f"{remote} has no branch {branch}", hint="Push it first.")
    return commit


async def pushed(git: Git, branch: str, remote: str = REMOTE) -> None:
    """Bring a branch of ours to the remote, where nothing is ever overwritten."""
    ref = f"refs/heads/{branch}"
    args = (*await _ssh(git), "push", "--quiet", "--no-verify", "--", remote, f"{ref}:{ref}")
    done = await git.attempt(*args, deadline=_PATIENCE)
    if done.status == 0:
        return
    if b"[rejected]" in done.stderr or b"non-fast-forward" in done.stderr:
        hint = f"Fetch {branch} from {remote} in its workspace, and merge it."
        raise Conflict(f"{remote} has commits of {branch} that are not here", hint=hint)
    hint = f"Try `git push {remote} {branch}` in its workspace."
    raise Unavailable(f"git could not push {branch} to {remote}", hint=hint)


async def _ssh(git: Git) -> tuple[str, ...]:
    set_already = await git.call("config", "--get", "core.sshCommand", ok=(0, 1))
    return () if set_already.status == 0 else _SSH


def _unreachable(remote: str, branch: str) -> Unavailable:
    hint = f"Try `git fetch {remote} {branch}` in the repository: it must work without a password."
    return Unavailable(f"git could not fetch {branch} from {remote}", hint=hint)
