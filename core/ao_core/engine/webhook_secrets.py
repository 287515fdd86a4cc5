"""The secrets that webhooks are signed with: as configured, else one that the home keeps."""

import logging
import os
import secrets
import stat
from pathlib import Path
from typing import cast

import anyio.to_thread

from ao_core.engine.engine import Engine
from ao_core.engine.project import Project
from ao_core.errors import AoError, PluginError, WrongState
from ao_core.files import write_atomic
from ao_core.slots.scm import Hooked

FILE = "webhook-secret"

_log = logging.getLogger(__name__)
_BYTES = 32
_LIMIT = 1_000


async def secret_of(engine: Engine, project: Project) -> str | None:
    """The secret of a project's webhooks; without one nothing that is posted is heard."""
    hooked = cast("Hooked", project.scm)
    try:
        secret = await hooked.secret() or await _kept(engine, project)
    except PluginError as exc:  # a variable that is not set: nothing can be verified then
        _say_once(engine, project, exc.message)
        return None
    engine.webhooks.unreadable.pop(project.id, None)
    if secret:
        engine.projects.remember([secret])
    return secret or None


def _say_once(engine: Engine, project: Project, why: str) -> None:
    """Whoever posts something, strangers too, has it looked for again."""
    said = engine.webhooks.unreadable
    if said.get(project.id) != why:
        said[project.id] = why
        _log.warning("the webhooks of %s: %s", project.id, why)


async def made_secret(engine: Engine, project: Project) -> str:
    """Another one, kept by the home. The one before it is worth nothing from here on."""
    if await cast("Hooked", project.scm).secret():
        hint = "Change it there, or take `webhook_secret` out and let the home keep one."
        raise WrongState("The secret is set in the configuration.", hint=hint)
    made = secrets.token_urlsafe(_BYTES)
    engine.projects.remember([made])
    await anyio.to_thread.run_sync(write_atomic, project.home.path / FILE, made + "\n")
    engine.webhooks.secrets[project.id] = made
    engine.webhooks.forget(project.id)
    return made


async def _kept(engine: Engine, project: Project) -> str | None:
    known = engine.webhooks.secrets
    if project.id not in known:
        file = project.home.path / FILE
        try:
            known[project.id] = await anyio.to_thread.run_sync(_read, file)
        except AoError as exc:
            _log.warning("%s", exc.message)
            known[project.id] = None
    return known[project.id]


def _read(file: Path) -> str | None:
    try:
        with open(file, encoding="ascii") as opened:
            if stat.S_IMODE(os.fstat(opened.fileno()).st_mode) & 0o077:
                raise WrongState(f"{file} can be read by others, so no webhook is believed.")
            return opened.read(_LIMIT).strip() or None
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as exc:
        raise WrongState(f"{file} cannot be read, so no webhook is believed.") from exc
