"""A file of ours in a workspace, for an agent that looks for it nowhere else: out of git's sight.

What git tracks there is never written, nor anything that a link leads out of the workspace to.
"""

from pathlib import Path

from anyio import to_thread

from ao_core.errors import BadRequest
from ao_core.files import write_atomic
from ao_core.git import exclude
from ao_core.git.repository import Git
from ao_core.process import run


async def put(workspace: Path, name: str, contents: str) -> None:
    """Write it; where git has a file of that name, say so instead."""
    git = Git(run, workspace)
    if await git.fields("ls-files", "-z", "--", name):
        raise BadRequest(
            f"The repository has a {name} of its own, which ao would have to write.",
            hint="Rename it there, or choose another agent.",
        )
    await to_thread.run_sync(_write, workspace, name, contents)
    await exclude.hide(git, [name])


def _write(workspace: Path, name: str, contents: str) -> None:
    path = workspace / name
    if not path.parent.resolve().is_relative_to(workspace.resolve()):
        raise BadRequest(f"{path.parent} leads out of the workspace.", hint="Remove that link.")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, contents)
