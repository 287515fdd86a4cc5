"""What `ao doctor` looks at in a home and a project. Starts no engine."""

from pathlib import Path

from ao_core.errors import AoError
from ao_core.wire import Connection
from ao_mcp import __version__
from ao_mcp.cli.checks import FAIL, NOTE, OK, WARN, Check, failing
from ao_mcp.cli.place import CALL_DEADLINE, Place

_UNHEARD = "Mend that; `ao notify --to NAME` tries it. Then this goes with the next note."


def engine(place: Place) -> list[Check]:
    """Whether it runs, answers and is of our version."""
    from ao_core.engine.home import running

    told = running(place.home)
    try:
        connection = place.connect_running()
    except AoError as error:
        return [failing("engine", error)]
    if connection is not None:
        with connection:
            return [_running(connection)]
    if told is None:
        return [Check("engine", OK, "does not run; the first call starts it")]
    if told.lives:
        found = f"process {told.pid} runs, but does not answer"
        return [Check("engine", FAIL, found, f"`ao logs --engine`, then: kill {told.pid}")]
    found = f"process {told.pid} ended without saying so"
    return [Check("engine", WARN, found, "`ao start`: another one takes up its agents.")]


def notifiers(place: Place) -> list[Check]:
    """Which of them people are not reached by."""
    try:
        connection = place.connect_running()
        if connection is None:
            return []
        with connection:
            found = connection.call("about", {}, CALL_DEADLINE).get("failing", ())
    except AoError:  # which the check of the engine tells
        return []
    return [Check("notifying", WARN, str(one), _UNHEARD) for one in found]


def _running(connection: Connection) -> Check:
    pid = connection.call("about", {}, CALL_DEADLINE)["pid"]
    version = connection.greeting.version
    found = f"runs: version {version}, process {pid}"
    if version == __version__:
        return Check("engine", OK, found)
    remedy = f"`ao restart` puts {__version__} in its place; no agent ends by it."
    return Check("engine", WARN, found, remedy)


def store(place: Place) -> Check:
    """Where records and journal are kept, and whether that is where they are."""
    from ao_core.store.choice import PLACES, chosen, present, require_data

    try:
        kind = chosen(place.home, place.environment)
        require_data(place.home, kind)
    except AoError as error:
        return failing("store", error)
    made = "" if present(place.home) else ", not made yet"
    return Check("store", OK, f"{kind}: {place.home / PLACES[kind]}{made}")


def configuration(place: Place) -> list[Check]:
    """The file that is meant here, everything wrong with it, and whether it is trusted."""
    from ao_core.config.load import find, load
    from ao_core.config.problem import ConfigProblems

    try:
        path = find(place.cwd or Path("/"), place.config, place.environment, place.home)
        loaded = load(path, environment=place.environment, home=place.home)
    except ConfigProblems as error:
        return [Check("config", FAIL, str(one), error.hint) for one in error.problems]
    except AoError as error:
        return [failing("config", error)]
    warnings = [Check("config", WARN, str(one)) for one in loaded.warnings]
    if path is None:
        return [Check("config", OK, "none, so the defaults are used"), *warnings]
    return [Check("config", OK, str(path)), *warnings, _trust(place, path)]


def _trust(place: Place, path: Path) -> Check:
    connection = place.connect_running()
    if connection is None:
        return Check("trust", NOTE, "is known while the engine runs")
    with connection:
        try:
            asked = connection.call("trust", {"project": place.project}, CALL_DEADLINE)
        except AoError as error:
            return Check("trust", WARN, error.message, error.hint)
    if not asked["lines"]:
        return Check("trust", OK, "the configuration runs nothing")
    if asked["trusted"]:
        return Check("trust", OK, f"{path.name} is trusted as it is now")
    found = f"{path.name} names commands that nobody has trusted"
    return Check("trust", FAIL, found, "Read them, then run `ao trust`.")
