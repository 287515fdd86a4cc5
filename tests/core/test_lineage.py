"""What a process descends from, and what it was started with."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable

import psutil
import pytest

from ao_core import lineage
from team import eventually

_SLEEPS = ("sleep", "300")
# a session's leader whose child starts another and ends: that one's parent is nobody's any more
_LEAVES = """\
import subprocess, sys
child = "import subprocess; print(subprocess.Popen(['sleep', '300'], stdout=-3).pid)"
subprocess.run([sys.executable, "-c", child])
input()
"""


@pytest.fixture(params=[True, False], ids=["proc", "psutil"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param and not os.path.exists("/proc/self/environ"):
        pytest.skip("there is no /proc")
    monkeypatch.setattr(lineage, "_PROC", request.param)


@pytest.mark.usefixtures("way")
def test_a_process_is_followed_by_its_parents() -> None:
    with subprocess.Popen(_SLEEPS, env={"MINE": "a=b", "PATH": os.environ["PATH"]}) as child:
        try:
            found = lineage.lineage(child.pid)
            assert found[:3] == [child.pid, os.getpid(), os.getppid()]
            eventually(lambda: lineage.environment(child.pid).get("MINE") == "a=b")
        finally:
            child.kill()


@pytest.mark.usefixtures("way")
def test_one_that_lost_its_parent_is_still_its_sessions() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _LEAVES],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True,
    ) as leader:  # fmt: skip
        assert leader.stdout
        left = int(leader.stdout.readline())
        try:
            eventually(lambda: psutil.Process(left).ppid() != leader.pid)
            found = lineage.lineage(left)
            assert found[0] == left
            assert {leader.pid, os.getpid()} <= set(found)
        finally:
            os.kill(left, signal.SIGKILL)
            leader.kill()


@pytest.mark.usefixtures("way")
def test_of_one_that_is_gone_nothing_is_known() -> None:
    gone = subprocess.Popen(_SLEEPS)
    gone.kill()
    gone.wait()
    assert lineage.lineage(gone.pid) == []
    assert lineage.environment(gone.pid) == {}


def test_what_cannot_be_seen_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*told: object) -> Callable[..., object]:
        raise PermissionError

    monkeypatch.setattr("builtins.open", refuse)
    assert lineage.environment(os.getpid()) == {}
