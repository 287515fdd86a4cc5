"""An engine that starts removes what is older than its home keeps, and says where it begins."""

import json
import sqlite3
import subprocess

import pytest

from ao_core.errors import Pruned
from ao_core.platform import process_exists
from faces.terminal import AO
from team import Team, eventually


@pytest.fixture
def aged(team: Team) -> Team:
    """A home whose journal was written and read long ago, but for its last line; a worker lives."""
    session = team.spawn("do: ask A?")
    team.until(session, "needs_input")
    engine = team.engine_pid
    team.kill_engine()
    eventually(lambda: not process_exists(engine))
    with sqlite3.connect(team.home / "ao.db") as db:
        (last,) = db.execute("SELECT max(seq) FROM event").fetchone()
        (moment,) = db.execute("SELECT at FROM event LIMIT 1").fetchone()
        old = f"2001{moment[4:]}"
        db.execute("UPDATE event SET at = ? WHERE seq < ?", (old, last))
        read = "UPDATE record SET body = json_set(body, '$.seq', ?) WHERE kind = 'cursor'"
        assert db.execute(read, (last,)).rowcount > 1
    db.close()
    return team


def logs(team: Team, *arguments: str) -> list[str]:
    done = subprocess.run(
        [*AO, "logs", *arguments, "--json"], env=team.env, cwd=team.repository, check=True,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout)["lines"]


def test_old_lines_go_and_nobody_is_left_to_believe_that_there_were_none(aged: Team) -> None:
    eventually(lambda: aged.call("about")["first"] > 1)
    first = aged.call("about")["first"]
    with pytest.raises(Pruned) as waited:
        aged.call("wait", cursor=1, until="any", seconds=0)
    assert "without a cursor" in (waited.value.hint or "")
    with pytest.raises(Pruned):
        aged.call("events", after=1)
    assert aged.call("wait", until="attention")["reached"]
    lines = aged.call("events")["lines"]
    assert lines[0].split()[0] == str(first)
    assert logs(aged, "-n", "1000") == lines
    assert logs(aged, "-n", "1") == lines[-1:]
    assert aged.call("list")["sessions"][0]["status"] == "needs_input"


def test_a_home_that_says_never_keeps_every_line(aged: Team) -> None:
    (aged.home / "config.yaml").write_text("retention: {journal: never}\n")
    assert aged.call("about")["first"] == 1
    assert aged.journal()[0].startswith("1 ")


def test_limits_that_cannot_be_understood_remove_nothing(aged: Team) -> None:
    (aged.home / "config.yaml").write_text("retention: {journal: soon}\n")
    aged.call("about")
    eventually(lambda: "not everything that is old was removed" in aged.log())
    assert aged.call("about")["first"] == 1
    assert "retention.journal: it should be a time such as 30d" in aged.log()
    (aged.home / "config.yaml").unlink()  # with it, no project can be opened
