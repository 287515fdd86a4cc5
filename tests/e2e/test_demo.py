"""The demo as people run it: it tells the truth in its exit status, and leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from ao_mcp.demo.stage import Stage, Unexpected
from team import KINDS, Kind, eventually

AO = [sys.executable, "-m", "ao_mcp.cli", "demo"]
PATIENCE = 45
SOON = 30

FAILING = """\
import sys
from dataclasses import replace
from ao_mcp.cli.run import run
from ao_mcp.demo import lead
first, *rest = lead.ISSUES
lead.ISSUES = (replace(first, body="```do\\ncrash 3\\n```"), *rest)
sys.exit(run(["demo"]))
"""


def play(*command: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def folder_of(said: str) -> Path:
    found = re.search(r"^Everything is in (\S+)\.$", said, re.MULTILINE)
    assert found, said
    return Path(found[1])


def assert_nothing_is_left(folder: Path) -> None:
    assert Stage(folder).processes() == []
    assert not folder.exists()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_every_issue_becomes_merged_work_and_the_table_says_so(kind: Kind) -> None:
    began = time.monotonic()
    manners = ["--awkward"] if kind.awkward else []
    done = play(*AO, "--drive", kind.drive, "--store", kind.store, *manners)
    took = time.monotonic() - began
    assert (done.returncode, done.stderr) == (0, "")
    assert took < SOON
    assert re.search(
        r"^ISSUE +SESSION +TITLE +STATUS +SPAWN +ANSWER +MERGE +COMMIT$", done.stdout, re.M
    )
    rows = re.findall(r"^#\d +lar-\d .* merged .* ([0-9a-f]{7})$", done.stdout, re.M)
    assert len(set(rows)) == 7
    assert all(re.search(rf"^\*.* {commit}\w* ", done.stdout, re.M) for commit in rows)
    asked = re.findall(r"in the middle of a message it asks: may it", done.stdout)
    assert bool(asked) is kind.awkward
    assert "no process is left" in done.stdout
    assert "\x1b" not in done.stdout
    assert_nothing_is_left(folder_of(done.stdout))


@pytest.mark.slow
def test_what_does_not_come_out_as_expected_fails_and_leaves_nothing_behind() -> None:
    done = play(sys.executable, "-c", FAILING)
    assert done.returncode == 1
    assert re.search(r"^error: It did not come out as expected: lar-\d: ", done.stderr, re.M)
    assert_nothing_is_left(folder_of(done.stdout))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_the_middle_leaves_nothing_behind(number: signal.Signals) -> None:
    with subprocess.Popen(AO, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout
        said = ""
        while "workers run" not in said:
            line = demo.stdout.readline()
            assert line, said
            said += line
        folder = folder_of(said)
        assert Stage(folder).processes()
        demo.send_signal(number)
        demo.stdout.read()
        assert demo.wait(PATIENCE) == 130
    assert_nothing_is_left(folder)


def test_a_process_that_was_left_is_named_and_ended() -> None:
    stage = Stage.new()
    try:
        forgotten = psutil.Popen(
            ["sleep", "60"], env={"HOME": str(stage.folder), "PATH": os.environ["PATH"]}
        )
        eventually(lambda: bool(stage.processes()))  # newly born, it has no environment yet
        with pytest.raises(Unexpected, match=str(forgotten.pid)):
            stage.end()
        assert forgotten.wait(SOON) == -signal.SIGKILL
    finally:
        stage.remove()
