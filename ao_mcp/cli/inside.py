"""`ao report` and `ao ask`: what a worker says from a shell, where its agent has no tools."""

import time
from collections.abc import Mapping

import click

from ao_core import wire
from ao_core.errors import EngineRestarted, Refused
from ao_core.ids import new_id
from ao_core.wire import Message
from ao_mcp import __version__, start
from ao_mcp.cli.blocks import as_json
from ao_mcp.cli.outcome import FAILED, FINE, spoken
from ao_mcp.cli.own import json_option
from ao_mcp.cli.place import Place, pass_place

_PATIENCE = 30.0  # for an engine that is being replaced
_ASKED_AT_ONCE = 45.0
_SPARE = 15.0


@click.command("report")
@click.argument("note")
@click.option(
    "--state", type=click.Choice(["working", "done", "blocked"]), help="How the work stands."
)
@json_option
@pass_place
def report(place: Place, note: str, state: str | None, machine: bool) -> int:
    """Tell the lead how your work stands. For workers.

    Nobody answers a report: `ao ask` is for that.
    """
    told = {"note": note} | ({"state": state} if state else {})
    reply = _call(place, "report", told, _PATIENCE)
    click.echo(as_json(reply) if machine else spoken(str(reply["said"])))
    return FINE


@click.command("ask")
@click.argument("question")
@click.option(
    "--timeout", default=600.0, show_default=True, help="How many seconds to wait for the answer.",
    type=click.FloatRange(0, 86_400),
)  # fmt: skip
@json_option
@pass_place
def ask(place: Place, question: str, timeout: float, machine: bool) -> int:
    """Ask the lead, wait for the answer and print it. For workers.

    Ends with status 1 if there is none in time; it then arrives as your next message.
    """
    reply = _answer(place, question, time.monotonic() + timeout)
    if machine:
        click.echo(as_json(reply))
    elif reply["answer"] is not None:
        click.echo(spoken(str(reply["answer"])))
    else:
        click.echo(_NOT_YET if not reply["typed"] else _TYPED, err=True)
    return FINE if reply["answer"] is not None else FAILED


_NOT_YET = (
    "There is no answer yet. End your turn with the question: it arrives as your next message."
)
_TYPED = "The answer arrives as your next message: end your turn."


def _answer(place: Place, question: str, until: float) -> Message:
    """Ask once, and go on waiting, also with an engine that has taken over meanwhile."""
    asked: dict[str, object] = {"question": question, "since": new_id("msg")}
    while True:
        left = max(0.0, min(_ASKED_AT_ONCE, until - time.monotonic()))
        try:
            reply = _call(place, "consult", asked | {"seconds": left}, left + _SPARE)
        except EngineRestarted:
            continue
        if reply["answer"] is not None or reply["typed"] or time.monotonic() >= until:
            return reply
        asked["heard"] = True


def _call(place: Place, method: str, params: Mapping[str, object], deadline: float) -> Message:
    environment = place.environment
    token = environment.get("AO_TOKEN", "")
    if not token:
        hint = "Leads and people use `ao send`, `ao answer` and `ao show`."
        raise Refused("This is for workers, in the environment they were started with.", hint=hint)
    preamble = wire.Preamble(
        wire.OPERATIONS, "worker", version=__version__, cwd=str(place.cwd or ""), token=token,
        client="ao",
    )  # fmt: skip
    with start.join_engine(place.home, environment, preamble, _PATIENCE) as connection:
        return connection.call(method, params, deadline)
