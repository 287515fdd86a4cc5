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
    mirror = tracking(branch, remote)
    return await _fetched(git, remote, f"refs/heads/{branch}", mirror, f"branch {branch}")


async def fetched_ref(git: Git, ref: str, remote: str = REMOTE) -> str:
    """Bring what a ref of the remote holds here, as its mirror in our own corner; its commit."""
    mirror = f"refs/ao/fetched/{remote}/{ref.removeprefix('refs/')}"
    return await _fetched(git, remote, ref, mirror, ref)


async def _fetched(git: Git, remote: str, ref: str, mirror: str, what: str) -> str:
    args = (*await _ssh(git), "fetch", *_QUIETLY, "--", remote, f"+{ref}:{mirror}")
    try:
        done = await git.attempt(*args, deadline=_PATIENCE)
    except CommandFailed as exc:
        raise _unreachable(remote, what, ref) from exc
    missing = done.status != 0 and b"couldn't find remote ref" in done.stderr
    if done.status != 0 and not missing:
        raise _unreachable(remote, what, ref)
    commit = None if missing else await git.resolve(mirror)
    if commit is None:
        raise NotFound(f"{remote} has no {what}", hint="Push it first.")
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


def _unreachable(remote: str, what: str, ref: str) -> Unavailable:
    hint = f"Try `git fetch {remote} {ref}` in the repository: it must work without a password."
    return Unavailable(f"git could not fetch {what} from {remote}", hint=hint)
