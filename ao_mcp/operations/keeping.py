"""`gc`: what all of it takes up on the disk, and the removal of what nobody needs."""

import os
from collections.abc import Sequence
from typing import Annotated

import anyio.to_thread
from pydantic import Field

from ao_core.config.load import engine_settings
from ao_core.engine.leftovers import Left, clear, left, ready, saved_work
from ao_core.engine.retention import tidy
from ao_core.ids import project_id
from ao_mcp.operations.contract import PEOPLE, Call, Operation, Reply, Request
from ao_mcp.operations.shapes import ProjectName
from ao_mcp.usage import shown, usage


class Gc(Request):
    """What to look at, and whether to remove anything."""

    project: ProjectName = None
    apply: Annotated[
        bool, Field(description="Remove what can go. Without it nothing is removed.")
    ] = False


class Taken(Reply):
    """What one kind of thing takes up in the home."""

    what: str
    bytes: int


class Leftover(Reply):
    """The workspace of a worker that has ended."""

    session: str
    bytes: int
    path: str
    removed: bool = False
    stays: str | None = None
    saved: str | None = Field(default=None, description="Ref of what was not committed.")


class Ready(Reply):
    """A workspace made before anybody needs it. It stays."""

    project: str
    bytes: int
    path: str
    touched: str | None = Field(default=None, description="What somebody did in it: left alone.")


class SavedWork(Reply):
    """Saved work in a repository. It stays."""

    project: str
    snapshots: int
    bytes: int | None = Field(default=None, description="What nothing else holds.")


class Collected(Reply):
    """The disk report, and what became of it."""

    said: str
    disk: tuple[Taken, ...]
    whole: bool = Field(default=True, description="False: there are more files than counted.")
    workspaces: tuple[Leftover, ...]
    ready: tuple[Ready, ...] = ()
    saved_work: tuple[SavedWork, ...]
    applied: bool
    freed: int = Field(description="Bytes; with `apply` false, those that could be.")


async def _gc(call: Call, asked: Gc) -> Collected:
    engine, chosen = call.engine, project_id(asked.project) if asked.project else None
    await call.progress(0, None, "looking at the disk")
    found = await left(engine, chosen)
    if asked.apply:
        found = await _applied(call, found)
    used = await anyio.to_thread.run_sync(usage, engine.home.path)
    kept, spares = await saved_work(engine, chosen), await ready(engine, chosen)
    freed = sum(one.size for one in found if one.gone or not (asked.apply or one.stays))
    return Collected(
        said=_said(freed, applied=asked.apply),
        disk=tuple(Taken(what=name, bytes=size) for name, size in used.kinds.items()),
        whole=used.whole,
        workspaces=tuple(map(_leftover, found)),
        ready=tuple(
            Ready(project=one.project, bytes=one.size, path=str(one.path), touched=one.touched)
            for one in spares
        ),
        saved_work=tuple(
            SavedWork(project=one.project, snapshots=one.snapshots, bytes=one.size) for one in kept
        ),
        applied=asked.apply,
        freed=freed,
    )


async def _applied(call: Call, found: Sequence[Left]) -> Sequence[Left]:
    """Workspaces first; then what is old and settled, as the home's limits have it."""
    engine = call.engine
    # what cannot be understood might say to keep everything: so nothing is removed before
    settings = await anyio.to_thread.run_sync(engine_settings, engine.home.path, os.environ)

    async def told(done: int, one: Left) -> None:
        await call.progress(done, len(found), f"clearing away {one.session}")

    cleared = await clear(engine, found, told)
    await call.progress(len(found), len(found), "removing what is old")
    await tidy(engine, settings.retention)
    return cleared


def _said(freed: int, *, applied: bool) -> str:
    if applied:
        return f"{shown(freed)} of workspaces were freed; what was not committed is saved."
    if not freed:
        return "No workspace can go."
    return f"{shown(freed)} of workspaces can go: `ao gc --apply` removes them."


def _leftover(one: Left) -> Leftover:
    return Leftover(
        session=one.session, bytes=one.size, path=str(one.path), removed=one.gone,
        stays=one.stays, saved=one.saved,
    )  # fmt: skip


GC = Operation(
    name="gc",
    title="Look at the disk",
    description=(
        "Tell what the home takes up on the disk and which workspaces of ended workers can go."
        " With --apply they go, each once what is in it is saved, and what is older than the"
        " home's limits. Branches and saved work stay."
    ),
    request=Gc,
    reply=Collected,
    run=_gc,
    idempotent=True,
    tool=False,
    roles=PEOPLE,
)
