"""`ao` itself: its global options, and its commands, each loaded when it is asked for."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module

import click

from ao_mcp import __version__
from ao_mcp.cli.place import place

OWN: Mapping[str, str] = {
    "init": "ao_mcp.cli.init",
    "install": "ao_mcp.cli.install",
    "doctor": "ao_mcp.cli.doctor",
    "start": "ao_mcp.cli.start",
    "stop": "ao_mcp.cli.stop",
    "restart": "ao_mcp.cli.restart",
    "status": "ao_mcp.cli.status",
    "attach": "ao_mcp.cli.attach",
    "logs": "ao_mcp.cli.logs",
    "trust": "ao_mcp.cli.trust",
    "token": "ao_mcp.cli.token",
    "webhook": "ao_mcp.cli.webhook",
    "plugins": "ao_mcp.cli.plugins",
    "store": "ao_mcp.cli.store",
    "demo": "ao_mcp.cli.demo",
}
INSIDE = ("report", "ask")  # what workers say


class Commands(click.Group):
    """Commands by name: our own from a file each, all others from the operations."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All of them, our own first."""
        return [*OWN, *INSIDE, *self._verbs()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them. Only an operation's command loads the operations."""
        if cmd_name in OWN:
            command: click.Command = import_module(OWN[cmd_name]).command
            return command
        if cmd_name in INSIDE:
            return getattr(import_module("ao_mcp.cli.inside"), cmd_name)
        return self._verbs().get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command, or what was probably meant."""
        name = args[0]
        if not name.startswith("-") and self.get_command(ctx, name) is None:
            near = get_close_matches(name.replace("_", "-"), self.list_commands(ctx), n=1)
            meant = f" Did you mean `{near[0]}`?" if near else ""
            raise click.UsageError(f"There is no command `{name}`.{meant}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What one does with the team, then what one does with the engine and this machine."""
        own = {name: self.get_command(ctx, name) for name in OWN}
        inside = {name: self.get_command(ctx, name) for name in INSIDE}
        groups = (("The team", self._verbs()), ("The engine", own), ("For workers", inside))
        for title, commands in groups:
            with formatter.section(title):
                rows = [(name, one.get_short_help_str(70)) for name, one in commands.items() if one]
                formatter.write_dl(rows)

    def _verbs(self) -> Mapping[str, click.Command]:
        if not self.commands:
            from ao_mcp.cli.project import commands
            from ao_mcp.operations.every import OPERATIONS

            made = commands(OPERATIONS)
            self.commands.update((name, one) for name, one in made.items() if name not in OWN)
        return self.commands


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option("--home", metavar="FOLDER", help="Where everything is kept, instead of AO_HOME.")
@click.option("--config", metavar="FILE", help="The agent-orchestrator.yaml to use.")
@click.option("--project", metavar="ID", help="The project to use, instead of the one here.")
@click.version_option(__version__, message="ao %(version)s")
@click.pass_context
def ao(ctx: click.Context, home: str | None, config: str | None, project: str | None) -> None:
    """Run a team of coding agents."""
    ctx.obj = place(home, config, project)
