"""`ao demo`: sets the stage, lets the lead play, checks what came of it, and clears away."""

import signal
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import cast

import anyio
import click

from ao_core.errors import AoError, TimedOut
from ao_mcp.cli.blocks import Block, Facts, Text
from ao_mcp.cli.screen import show
from ao_mcp.demo.check import check
from ao_mcp.demo.lead import Lead, connected
from ao_mcp.demo.sample import USUAL, Cast
from ao_mcp.demo.stage import Stage
from ao_mcp.demo.view import View

_DEADLINE = 120.0


def main(drive: str, store: str, *, awkward: bool, keep: bool) -> int:
    """Play it once."""
    cast = Cast(drive, store, awkward)
    with _ended_by_signals(), _stage(cast, keep=keep) as stage:
        view = View()
        show([Text(_prologue(cast)), Text(f"Everything is in {stage.folder}.", "dim")])
        with _ended(stage), view.playing():
            found, graph = _played(stage, view)
        click.echo()
        show(_epilogue(stage, view, [*found, _ALONE], graph, keep=keep))
    return 0


_PROLOGUE = (
    "A scripted lead, connected to ao-mcp over stdio like any client, runs a team of workers on a\n"
    "sample repository. {real} are real; the workers follow scripts. No network."
)
_AWKWARD = (
    "Each of them folds what is pasted, ignores the first Enter, never stops redrawing, and opens\n"
    "a dialog in the middle of the first message it is sent."
)
_ALONE = "`ao stop` ended engine, agents and terminals: no process is left"


def _prologue(cast: Cast) -> str:
    real = "Git, tmux and the engine" if cast.drive == USUAL.drive else "Git and the engine"
    said = _PROLOGUE.format(real=real)
    return f"{said}\n{_AWKWARD}" if cast.awkward else said


def _played(stage: Stage, view: View) -> tuple[Sequence[str], str]:
    try:
        return anyio.run(_play, stage, view)
    except BaseExceptionGroup as group:
        raise _first(group) from group


async def _play(stage: Stage, view: View) -> tuple[Sequence[str], str]:
    with anyio.move_on_after(_DEADLINE):
        await stage.build()
        view.step("demo", f"a repository, {stage.repository.name}, with one commit")
        lines = await stage.trust()
        view.step("person", "trusts what the configuration lets workers run (`ao trust --yes`):")
        for line in lines:
            view.step("", line)
        async with connected(stage) as client:
            lead = Lead(client, view)
            await lead.lead()
        return await check(stage, lead), await stage.graph()
    raise TimedOut(f"The demo did not end within {_DEADLINE:g} s.", hint="Is the machine busy?")


def _first(error: BaseException) -> BaseException:
    """What went wrong, out of the group it came in; what we can say in words comes first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    group = cast("BaseExceptionGroup[BaseException]", error)
    return _first((group.subgroup(AoError) or group).exceptions[0])


# -- the end ---------------------------------------------------------------------------------


@contextmanager
def _stage(cast: Cast, *, keep: bool) -> Generator[Stage]:
    stage = Stage.new(cast)
    try:
        yield stage
    finally:
        if not keep:
            stage.remove()


@contextmanager
def _ended(stage: Stage) -> Generator[None]:
    """Whatever happens, nothing of it runs on afterwards."""
    try:
        yield
    except BaseException:  # interrupted, too: nothing of it may run on
        for line in stage.complaints():
            click.echo(line, err=True)
        try:
            _end(stage)
            click.echo("It ended early; nothing of it runs on.", err=True)
        except AoError as also:
            click.echo(f"error: {also.message}", err=True)
        raise
    _end(stage)


def _end(stage: Stage) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # it takes a moment, and has to be done
    try:
        stage.end()
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _ended_by_signals() -> Generator[None]:
    """A signal that ends clears away as Ctrl-C does."""
    numbers = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, _interrupt) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _interrupt(number: int, frame: object) -> None:
    signal.raise_signal(signal.SIGINT)


# -- what is said at the end -----------------------------------------------------------------


def _epilogue(
    stage: Stage, view: View, found: Sequence[str], graph: str, *, keep: bool
) -> Sequence[Block]:
    said = f"{len(view.rows)} issues became merged work in {view.seconds:.1f} s. Times in seconds:"
    return (
        Text(said, "bold"),
        view.table(),
        Text("git log --oneline --graph", "bold"),
        Text(graph),
        Text("\n".join(f"✓ {line}" for line in found), "green"),
        Facts(_places(stage)),
        Text(_KEPT.format(home=stage.home, folder=stage.folder) if keep else _REMOVED, "dim"),
    )


_REMOVED = "The folder is removed now. `ao demo --keep` keeps it for a look around."
_KEPT = "Look around: AO_HOME={home} ao list --ended\nClear away:  rm -r {folder}"


def _places(stage: Stage) -> tuple[tuple[str, str], ...]:
    tracker = next(stage.home.rglob("1.md"), stage.home).parent
    return (
        ("repository", str(stage.repository)),
        ("home", str(stage.home)),
        ("issues", str(tracker)),
        ("engine's log", str(stage.home / "engine.log")),
    )
