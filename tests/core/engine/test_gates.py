"""Gates on a real work tree: what they are given, what is kept, and what they are bound to."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import anyio
import psutil
import pytest

from ao_core.clock import SystemClock
from ao_core.config.models import Gate
from ao_core.engine.gates import (
    MARK,
    NO_GATES,
    Findings,
    end_strays,
    plain_environment,
    run_gates,
    tail_of,
)
from ao_core.model.evidence import GateRun, Verdict
from ao_core.process import companion, run
from ao_core.redact import Redactor
from ao_core.testing.repository import Sample, sample

ENV = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
PASSES = Gate("passes", ("true",))


@pytest.fixture
async def repository(tmp_path: Path) -> Sample:
    return await sample(tmp_path / "app")


def says(code: str, name: str = "says", deadline: float = 30.0) -> Gate:
    return Gate(name, (sys.executable, "-c", code), deadline)


async def gated(
    repository: Sample, *gates: Gate, commit: str | None = None, env: Mapping[str, str] = ENV
) -> Findings:
    at = commit or await repository.git("rev-parse", "HEAD")
    return await run_gates(gates, run, repository.path, at, SystemClock(), env=env)


def lasting(pid: int) -> bool:
    """Whether it runs on; what nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def only(found: Findings) -> GateRun:
    (one,) = found.runs
    return one


# -- what is told ----------------------------------------------------------------------------------


async def test_all_gates_are_run_in_order_whatever_the_first_one_says(repository: Sample) -> None:
    gates = (says("exit(3)", "one"), PASSES, says("exit(1)", "three"))
    found = await gated(repository, *gates)
    assert found.verdict is Verdict.FAILED
    assert [(one.name, one.status, one.passed) for one in found.runs] == [
        ("one", 3, False), ("passes", 0, True), ("three", 1, False),
    ]  # fmt: skip
    assert [one.command for one in found.runs] == [gate.command for gate in gates]


async def test_what_passes_is_bound_to_the_commit_and_its_tree(repository: Sample) -> None:
    found = await gated(repository, PASSES)
    assert (found.verdict, found.why) == (Verdict.VERIFIED, None)
    assert found.commit == await repository.git("rev-parse", "HEAD")
    assert found.tree == await repository.git("rev-parse", "HEAD^{tree}")
    assert only(found).seconds >= 0


async def test_with_no_gates_nothing_is_verified(repository: Sample) -> None:
    found = await gated(repository)
    assert (found.verdict, found.why, found.runs) == (Verdict.UNVERIFIED, NO_GATES, ())


async def test_a_signal_is_told_as_one(repository: Sample) -> None:
    one = only(await gated(repository, says("import os; os.kill(os.getpid(), 9)")))
    assert (one.status, one.signal, one.passed) == (None, 9, False)
    assert one.ending == "was ended by signal 9"


async def test_a_program_that_is_not_there_is_a_gate_that_fails(repository: Sample) -> None:
    found = await gated(repository, Gate("gone", ("no-such-program",)), PASSES)
    assert found.verdict is Verdict.FAILED
    assert (found.runs[0].status, found.runs[0].signal) == (None, None)
    assert "no-such-program" in found.runs[0].tail
    assert found.runs[1].passed


async def test_a_gate_that_hangs_ends_with_its_deadline_and_what_it_said_is_kept(
    repository: Sample,
) -> None:
    hangs = says("import time; print('so far', flush=True); time.sleep(600)", deadline=1.0)
    found = await gated(repository, hangs, PASSES)
    assert found.verdict is Verdict.FAILED
    assert (found.runs[0].timed_out, found.runs[0].status) == (True, None)
    assert found.runs[0].tail == "so far"
    assert found.runs[1].passed


async def test_of_much_output_the_end_of_both_streams_is_kept(repository: Sample) -> None:
    flood = "import sys\nfor n in range(40000): print('line', n, 'x' * 300)\n"
    found = await gated(repository, says(f"{flood}print('last words', file=sys.stderr)\nexit(1)"))
    tail = only(found).tail
    assert "line 39999" in tail
    assert tail.endswith("last words")
    assert len(tail) < 5_000


async def test_nothing_that_a_terminal_would_obey_is_kept(repository: Sample) -> None:
    code = r"print('a\x1b[31mred\x1b[0m\x1b]0;title\x07b\rprogress\rdone\u202e')"
    assert only(await gated(repository, says(code))).tail == "aredb\nprogress\ndone"


def test_secrets_are_taken_out_also_where_escapes_or_the_cut_would_hide_them() -> None:
    redactor = Redactor()
    redactor.learn("swordfish")
    said = b"token sword\x1b[0mfish\n" + b"x" * 1_990 + b" swordfish"
    tail = tail_of(said, b"ghp_0123456789abcdef0123", redactor.clean)
    assert "fish" not in tail
    assert "ghp_" not in tail


# -- what they count for ---------------------------------------------------------------------------


async def test_on_a_tree_that_is_not_clean_nothing_is_run(repository: Sample) -> None:
    (repository.path / "draft.txt").write_text("x")
    (repository.path / "README.md").write_text("other\n")
    found = await gated(repository, PASSES)
    assert (found.verdict, found.runs) == (Verdict.UNVERIFIED, ())
    assert found.why == "2 changes are not committed: README.md, draft.txt"


async def test_a_gate_that_changes_the_tree_shows_nothing(repository: Sample) -> None:
    found = await gated(repository, says("open('made.txt', 'w')"))
    assert found.verdict is Verdict.UNVERIFIED
    assert only(found).passed
    assert found.why == "when the gates had run, 1 change is not committed: made.txt"


async def test_a_commit_that_is_made_meanwhile_shows_nothing(repository: Sample) -> None:
    commit = ("git", "-c", "user.name=x", "-c", "user.email=x@y.invalid", "commit", "-q",
              "--allow-empty", "-m", "x")  # fmt: skip
    found = await gated(repository, Gate("commits", commit))
    assert found.verdict is Verdict.UNVERIFIED
    assert "when the gates had run, the workspace is at" in (found.why or "")


async def test_another_commit_than_the_one_checked_out_is_not_judged(repository: Sample) -> None:
    first = await repository.git("rev-parse", "HEAD")
    await repository.commit("a.txt")
    found = await gated(repository, PASSES, commit=first)
    assert (found.verdict, found.runs) == (Verdict.UNVERIFIED, ())
    assert "the workspace is at" in (found.why or "")


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
async def test_a_change_that_is_hidden_from_git_is_found(repository: Sample, flag: str) -> None:
    await repository.git("update-index", flag, "README.md")
    (repository.path / "README.md").write_text("other\n")
    found = await gated(repository, PASSES)
    assert found.verdict is Verdict.UNVERIFIED
    assert found.why == "1 change is hidden from git: README.md"


async def test_a_sparse_checkout_hides_nothing(repository: Sample) -> None:
    await repository.commit("deep/a.txt")
    await repository.commit("other/b.txt")
    await repository.git("sparse-checkout", "set", "deep")
    assert (await gated(repository, PASSES)).verdict is Verdict.VERIFIED


async def test_what_git_ignores_may_lie_there(repository: Sample) -> None:
    await repository.commit(".gitignore", "*.log\n")
    (repository.path / "build.log").write_text("x")
    assert (await gated(repository, PASSES)).verdict is Verdict.VERIFIED


# -- what they are given ---------------------------------------------------------------------------


async def test_the_environment_is_the_one_given_and_nothing_of_ours(
    repository: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OURS", "secret of the engine")
    shows = says("import os; print(sorted(os.environ))")
    tail = only(await gated(repository, shows, env={**ENV, "GIVEN": "1"})).tail
    assert "'GIVEN', 'HOME'" in tail
    assert "OURS" not in tail


def test_no_credential_is_part_of_a_gates_environment() -> None:
    shell = {
        "PATH": "/bin", "HOME": "/home/x", "LC_ALL": "C", "SSH_AUTH_SOCK": "/s", "GH_TOKEN": "t",
        "AO_TOKEN": "t", "HTTPS_PROXY": "http://u:p@x",
    }  # fmt: skip
    own = {
        "MODE": "test", "NAMED": "plain", "API_TOKEN": "abc", "URL": "https://u:pass@host/",
        "HELD": "swordfish-1",
    }  # fmt: skip
    redactor = Redactor()
    redactor.learn("swordfish-1")
    given = plain_environment(shell, own, {"NAMED"}, redactor.clean)
    assert {given["PATH"], given["HOME"], given["LC_ALL"], given["MODE"]} == {
        "/bin", "/home/x", "C", "test",
    }  # fmt: skip
    withheld = {"SSH_AUTH_SOCK", "GH_TOKEN", "AO_TOKEN", "HTTPS_PROXY"}
    assert not given.keys() & (withheld | {"NAMED", "API_TOKEN", "URL", "HELD"})


# -- what they leave -------------------------------------------------------------------------------


async def test_cancelled_it_ends_the_gate_and_its_children(
    repository: Sample, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    code = (
        "import os, subprocess, time; child = subprocess.Popen(['sleep', '600']);"
        f"open({str(pids)!r}, 'w').write(f'{{os.getpid()}} {{child.pid}}\\n'); time.sleep(600)"
    )
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: gated(repository, says(code)))
            while not pids.exists() or "\n" not in pids.read_text():  # noqa: ASYNC110
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    with anyio.fail_after(5):  # what was killed takes a moment to be gone
        while any(lasting(int(pid)) for pid in pids.read_text().split()):  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def test_what_a_killed_engine_left_is_ended_and_nothing_else() -> None:
    env = {**os.environ, MARK: "home/app-1"}
    other = {**os.environ, MARK: "home/app-11"}
    with anyio.fail_after(20):
        async with companion(["sleep", "600"], env=env) as mine, \
                companion(["sleep", "600"], env=other) as another:  # fmt: skip
            await end_strays("home/app-1")
            assert await mine.wait() != 0
            assert another.returncode is None
