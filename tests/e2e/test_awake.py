"""A real engine keeps the machine awake while its agents work; nothing of that outlives it."""

from pathlib import Path

import pytest

from ao_core.platform import process_exists
from team import Team, eventually

PROGRAM = """\
#!/bin/sh
echo "$$ $*" >> "$0.ran"
exec cat
"""


@pytest.fixture
def record(team: Team, tmp_path: Path) -> Path:
    """What is asked of the system, through a program that stands for the system's own."""
    program = tmp_path / "tools" / "systemd-inhibit"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / ".profile").write_text(f'PATH="{program.parent}:$PATH"\n')
    engine = team.engine_pid
    team.call("stop")
    eventually(lambda: not process_exists(engine))  # the next one finds it
    return program.with_name("systemd-inhibit.ran")


def asked(record: Path) -> list[int]:
    """Whom it was asked through."""
    return [int(line.split()[0]) for line in record.read_text().splitlines()]


def test_an_engine_that_is_killed_leaves_nothing_that_keeps_the_machine_awake(
    team: Team, record: Path
) -> None:
    session = team.spawn("do: sleep 60")
    eventually(record.exists)
    eventually(lambda: len(asked(record)) == 1)
    (holder,) = asked(record)
    assert process_exists(holder)
    team.kill_engine()
    eventually(lambda: not process_exists(holder))
    assert team.call("show", session=session)["runtime"] == "alive"
    eventually(lambda: len(asked(record)) == 2)  # the next engine takes it up
    team.call("stop")
    eventually(lambda: not process_exists(asked(record)[1]))


def test_nothing_is_asked_where_the_home_says_so(team: Team, record: Path) -> None:
    config = team.home / "config.yaml"
    config.write_text("power:\n  prevent_idle_sleep: false\n")
    team.until(team.spawn("do: ask A?"), "needs_input")
    engine = team.engine_pid
    team.call("stop")
    eventually(lambda: not process_exists(engine))
    assert not record.exists()
    config.unlink()
    team.until(team.spawn("do: ask A?"), "needs_input")  # the same, where it does not say so
    eventually(record.exists)
    eventually(lambda: len(asked(record)) == 1)
