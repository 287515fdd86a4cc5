"""What a branch is at its remote now, asked without a person: nothing of theirs is moved."""

from ao_core.errors import CommandFailed, NotFound, Unavailable
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


async def _ssh(git: Git) -> tuple[str, ...]:
    set_already = await git.call("config", "--get", "core.sshCommand", ok=(0, 1))
    return () if set_already.status == 0 else _SSH


def _unreachable(remote: str, branch: str) -> Unavailable:
    hint = f"Try `git fetch {remote} {branch}` in the repository: it must work without a password."
    return Unavailable(f"git could not fetch {branch} from {remote}", hint=hint)
