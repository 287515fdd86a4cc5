"""`ao init`: a first configuration, made by looking at the repository."""

from pathlib import Path

import click

from ao_core.errors import ConfigError, WrongState
from ao_mcp.cli.blocks import clean
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.place import Place, pass_place

_MODE = 0o644  # it is committed, and others read it
_NEXT = """\
Wrote {file}.

Next:
  1. Read it. The gates in it are guesses, and commented out.
  2. `ao doctor` says what is missing on this machine.
  3. `ao trust` once it names commands to run.
  4. `ao install` says which agents can lead here, or `ao spawn --prompt "…"` yourself."""


@click.command("init")
@click.option("--print", "printed", is_flag=True, help="Print it instead of writing it.")
@click.option("--force", is_flag=True, help="Overwrite what is there.")
@pass_place
def command(place: Place, printed: bool, force: bool) -> int:
    """Write an agent-orchestrator.yaml that fits this repository."""
    import anyio

    top, text = anyio.run(_proposed, place)
    if printed:
        click.echo(text, nl=False)
        return FINE
    click.echo(clean(_NEXT.format(file=_written(top, text, force=force))))
    return FINE


async def _proposed(place: Place) -> tuple[Path, str]:
    from ao_core.config.init import propose
    from ao_core.git.repository import Git
    from ao_core.process import run

    if place.cwd is None:
        raise ConfigError("The current folder is gone.", hint="Change into a repository.")
    top = (await Git(run, place.cwd).worktrees())[0].path
    return top, await propose(top, run)


def _written(top: Path, text: str, *, force: bool) -> Path:
    from ao_core.config.load import NAMES
    from ao_core.files import write_atomic

    there = next((top / name for name in NAMES if (top / name).exists()), None)
    if there and not force:
        hint = "`ao init --print` shows what would be written, `--force` overwrites it."
        raise WrongState(f"There is a {there} already.", hint=hint)
    file = there or top / NAMES[0]
    write_atomic(file, text, _MODE)
    return file
