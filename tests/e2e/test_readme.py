"""The README's first five minutes, followed literally."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from page import blocks, section
from team import Team

README = Path(__file__).resolve().parents[2] / "README.md"
PATIENCE = 50


AGENT = f"""\
#!/bin/sh
[ "$1" = acp ] || exit 2
exec "{sys.executable}" -I -m ao_plugins.agent._worker --acp --session some --permissions default
"""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Team]:
    """Somebody with a home, an empty folder and the command `ao`."""
    (tmp_path / "empty").mkdir()
    one = Team(tmp_path / "home", tmp_path / "empty", tmp_path / "run")
    commands = tmp_path / "bin"
    commands.mkdir()
    ao = commands / "ao"
    ao.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -m ao_mcp.cli "$@"\n')
    ao.chmod(0o755)
    agent = commands / "my-agent"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    who = {"NAME": "A Person", "EMAIL": "person@example.invalid"}
    by = {f"GIT_{role}_{key}": who[key] for role in ("AUTHOR", "COMMITTER") for key in who}
    one.env |= {"PATH": f"{commands}:{one.env['PATH']}", **by}
    yield one
    one.end()


def test_the_first_five_minutes_end_with_merged_work(reader: Team) -> None:
    page = section(README.read_text(), "The first five minutes")
    steps = "".join(block.step() for block in blocks(page))
    done = subprocess.run(
        ["sh", "-eu"], input=steps, cwd=reader.repository, env=reader.env,
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert (reader.repository / "demo" / "hello.txt").read_text().strip() == "hi"
    assert "+hi" in done.stdout
    assert "Trusted" in done.stdout
    reader.repository /= "demo"
    session = reader.spawn("do: say by protocol")  # with the agent that was configured last
    shown = reader.until(session, "idle")
    assert (shown["drive"], shown["report"]) == ("protocol", "by protocol")
