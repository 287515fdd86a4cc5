"""Every figure can be measured, and is shown beside its floor and its goal."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bench.table import Figure, Floor, Goal, markdown

RUN = Path(__file__).with_name("run.py")
NAMES = {
    "relay_start", "relay_memory", "first_reply", "server_start", "server_memory", "tools_list",
    "engine_ready", "engine_served",
    "host_start", "host_memory",
    "spawn", "spawn_many", "spawn_many_plain", "spawn_processes",
    "spawn_warm", "spawn_warm_many",
    "death", "send", "send_accepted", "list", "list_long",
    "pass_processes", "idle_cpu", "engine_memory", "engine_memory_many", "pass",
}  # fmt: skip
MAY_BE_NOTHING = {"pass_processes", "idle_cpu"}


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_every_figure_is_measured_and_nothing_is_left_behind(tmp_path: Path) -> None:
    report, scratch = tmp_path / "figures.json", tmp_path / "t"
    scratch.mkdir()
    argv = [sys.executable, str(RUN), "--quick", "--json", str(report)]
    env = {**os.environ, "TMPDIR": str(scratch)}
    done = subprocess.run(argv, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    figures = {figure["name"]: figure for figure in json.loads(report.read_text())["figures"]}
    assert figures.keys() == NAMES
    nothing = {name for name, figure in figures.items() if not figure["value"] > 0}
    assert nothing <= MAY_BE_NOTHING
    assert len(done.stdout.splitlines()) == len(NAMES) + 2
    assert list(scratch.iterdir()) == []
    assert _processes_in(scratch) == []


def test_a_goal_in_times_is_held_against_the_floor_and_any_other_against_the_value() -> None:
    floor = Floor(10, "the least")
    slow = Figure("a", "slow", 40, "ms", 3, floor, Goal(3, times=True))
    quick = Figure("b", "quick", 40, "ms", 3, floor, Goal(50))
    assert (slow.ratio, slow.verdict, quick.verdict) == (4, "miss", "pass")
    row = "| slow | 40 ms | 10 ms | 4.00x | <= 3x | miss |"
    assert markdown([slow, quick])[2] == row


def test_without_floor_or_goal_nothing_is_judged() -> None:
    assert Figure("a", "what", 1, "ms", 1, None, Goal(3, times=True)).verdict == "-"
    assert Figure("b", "what", 1, "ms", 1, Floor(0, "nothing"), Goal(2)).verdict == "pass"
    assert Figure("c", "what", 1, "ms", 1).cells() == ("what", "1 ms", "-", "-", "-", "-")


def _processes_in(folder: Path) -> list[str]:
    told = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
    return [line for line in told if str(folder) in line]
