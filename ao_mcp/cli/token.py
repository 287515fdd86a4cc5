"""`ao token`: what an HTTP client shows the engine, and another one in its place."""

import click

from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.outcome import FINE
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place


@click.command("token")
@click.option("--new", is_flag=True, help="Make another one; the one before is refused at once.")
@json_option
@pass_place
def command(place: Place, new: bool, machine: bool) -> int:
    """Print the token by which HTTP clients of this home are known."""
    from ao_core.engine.home import running
    from ao_mcp.http.tokens import new_token, own_token, token_file

    token = new_token(place.home) if new else own_token(place.home)
    told = running(place.home)
    url = told.http if told and told.lives else ""
    if machine:
        click.echo(as_json({"token": token, "file": str(token_file(place.home)), "url": url}))
        return FINE
    click.echo(token)
    where = url or "nowhere now: `http: {enabled: true}` in the home's config.yaml, `ao restart`"
    click.echo(f"kept in {token_file(place.home)}; good at {where}", err=True)
    return FINE
