"""Preparing a workspace before an agent works in it: links, copies, and the project's commands.

It may be interrupted at any point and done again. The commands run once for each workspace: that
they have, a file in our own folder there says, which goes with the workspace.
"""

import shlex
from collections.abc import Mapping
from pathlib import Path

import anyio
from anyio import to_thread

from ao_core.engine import ports
from ao_core.engine.engine import Engine
from ao_core.engine.environment import layered
from ao_core.engine.gates import MARK, end_strays, plain_environment, tail_of
from ao_core.engine.project import Project
from ao_core.engine.sharing import include, link, private_folder
from ao_core.engine.side import git_for, run_in
from ao_core.errors import AoError, CommandFailed, TimedOut, WrongState
from ao_core.files import in_our_words
from ao_core.git.repository import LONG, Git
from ao_core.model.session import Session
from ao_core.redact import visible

DEADLINE = 600.0
_KEPT = 64 * 1024
_SHOWN = 200
_DONE = "prepared"
_HINT = "Run it by hand in a fresh checkout to see why; nothing was started."


async def prepare(engine: Engine, project: Project, session: Session, *, again: bool) -> None:
    """Make it ready; `again`, where a worker has been at work in it."""
    git = git_for(project, Path(session.path))
    await link(git, project.repository, project.settings.symlinks, again=again)
    await include(git, git_for(project, project.repository))
    if not project.settings.post_create:
        return
    done = private_folder(git.path) / _DONE
    if not await anyio.Path(done).exists():
        await _unless_ended(engine, project, session)
        with in_our_words(done, "written"):
            await to_thread.run_sync(done.touch)


async def _unless_ended(engine: Engine, project: Project, session: Session) -> None:
    """Run the commands, unless somebody wants the session ended."""
    failed: list[AoError] = []
    async with anyio.create_task_group() as tasks:

        async def give_up() -> None:
            await engine.told_to_end(session.id)
            tasks.cancel_scope.cancel()

        tasks.start_soon(give_up)
        try:
            await _commands(engine, project, session)
        except AoError as exc:  # outside, or it would be wrapped into a group
            failed.append(exc)
        tasks.cancel_scope.cancel()
    if failed:
        raise failed[0]
    if engine.is_ending(session.id):
        raise WrongState(f"{session.id} was ended while its workspace was prepared.")


async def _commands(engine: Engine, project: Project, session: Session) -> None:
    env = environment(engine, project, session)
    await end_strays(env[MARK])
    for command in project.settings.post_create:
        await _command(engine, project, Path(session.path), command, env)


def environment(engine: Engine, project: Project, session: Session) -> dict[str, str]:
    """What the commands are given: the project's plain variables, and which session it is for."""
    granted = engine.granted(session.id)
    settings = project.settings
    secret = {*settings.credentials, *settings.secret_env, *session.credentials}
    secret |= set(granted.credentials) if granted else set[str]()
    shell = layered({}, granted, engine.login())
    plain = plain_environment(shell, settings.env, secret, engine.projects.redactor.clean)
    mark = f"preparing {engine.home.id} {session.id}"
    known = {"AO_SESSION_ID": session.id, "AO_PROJECT_ID": project.id, MARK: mark}
    return {**plain, **known, **ports.variables(session)}


async def _command(
    engine: Engine, project: Project, folder: Path, command: tuple[str, ...],
    env: Mapping[str, str],
) -> None:  # fmt: skip
    run, shown = run_in(project, folder), visible(shlex.join(command), _SHOWN)
    clean = engine.projects.redactor.clean
    try:
        done = await run(command, env=env, deadline=DEADLINE, limit=_KEPT, last=True)
    except TimedOut as exc:
        message = f"post_create: `{shown}` did not end within {DEADLINE:g} s"
        raise TimedOut(f"{message}{_said(tail_of(*exc.said, clean))}", hint=_HINT) from exc
    if done.status != 0:
        message = f"post_create: `{shown}` ended with {done.status}"
        said = _said(tail_of(done.stdout, done.stderr, clean))
        raise CommandFailed(message + said, status=done.status, hint=_HINT)


def _said(tail: str) -> str:
    return f":\n{tail}" if tail else ""


async def emptied(git: Git) -> None:
    """Take back whatever was put into a workspace that nobody has worked in."""
    if await git.toplevel() != Path(await anyio.Path(git.path).resolve()):
        raise WrongState(f"{git.path} is no work tree any more")  # but part of one around it
    await git.check_out()
    await git.call("clean", "--quiet", "-ffdx", deadline=LONG)
