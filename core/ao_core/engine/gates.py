"""Gates, run on one commit: commands of the configuration that have to succeed.

They run in the work tree, one after the other, each to its end or its deadline, and all of them,
whatever the first one says. What they say counts only if the tree was that commit's, and nothing
else, before and after. Nothing here knows of sessions: a merge train runs its gates here, too.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from os.path import lexists
from pathlib import Path

from anyio import CancelScope, Event, to_thread

from ao_core import platform
from ao_core.clock import Clock
from ao_core.config.models import Gate
from ao_core.config.secret import is_secret_name
from ao_core.errors import CommandFailed, NotInstalled, TimedOut
from ao_core.git.repository import LONG, Git
from ao_core.model.evidence import GateRun, Verdict
from ao_core.process import Completed, Run, end_tree
from ao_core.redact import scrub, visible

NO_GATES = "no gates are configured"
MARK = "AO_GATES"  # in a gate's environment: whose it is, also when who started it is gone
_PLAIN = re.compile(r"PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR")
_KEPT = 64 * 1024
_TAIL = 2_000
_NAMED = 5
_SHORT = 12
_GRACE = 2.0
_HIDDEN = re.compile(r"[a-zS]")  # how `git ls-files -v` writes what git was told not to look at


@dataclass(frozen=True, slots=True)
class Findings:
    """What came of it. Without runs, `why` says what kept the gates from being run.

    `unrun`: it was nothing of the work's.
    """

    commit: str
    tree: str
    verdict: Verdict
    runs: tuple[GateRun, ...] = ()
    why: str | None = None
    unrun: bool = False


@dataclass(slots=True)
class Proof:
    """Gates being run, which can be called off."""

    scope: CancelScope = field(default_factory=CancelScope)
    over: Event = field(default_factory=Event)


async def run_gates(
    gates: Sequence[Gate],
    run: Run,
    folder: Path,
    commit: str,
    clock: Clock,
    *,
    env: Mapping[str, str],
    clean: Callable[[str], str] = scrub,
) -> Findings:
    """Run them all. `env` is their whole environment; `clean` takes secrets out of what they say.

    Cancelled, it ends the gate under way with all it has started.
    """
    git = Git(run, folder)
    tree = await git.line("rev-parse", "--verify", "--end-of-options", f"{commit}^{{tree}}")
    if not gates:
        return Findings(commit, tree, Verdict.UNVERIFIED, why=NO_GATES)
    if why := await fault(git, commit):
        return Findings(commit, tree, Verdict.UNVERIFIED, why=why)
    runs = tuple([await _run(gate, run, folder, clock, env, clean) for gate in gates])
    if why := await fault(git, commit):
        why = f"when the gates had run, {why}"
        return Findings(commit, tree, Verdict.UNVERIFIED, runs, why)
    passed = all(one.passed for one in runs)
    return Findings(commit, tree, Verdict.VERIFIED if passed else Verdict.FAILED, runs)


async def fault(git: Git, commit: str) -> str | None:
    """What is in the work tree that is not in the commit; None where nothing is."""
    head = await git.head()
    if head != commit:
        return f"the workspace is at {(head or 'nothing')[:_SHORT]}, not at {commit[:_SHORT]}"
    if changed := [change.path for change in await git.status()]:
        return f"{_counted(changed)} not committed: {_listed(changed)}"
    if hidden := await _hidden(git):
        return f"{_counted(hidden)} hidden from git: {_listed(hidden)}"
    return None


async def _hidden(git: Git) -> list[str]:
    """Files whose changes `git status` passes over, since somebody told it to."""
    lines = await git.fields("ls-files", "-v", "-z", deadline=LONG)
    marked = [line[2:] for line in lines if _HIDDEN.match(line)]
    # those that are not there are left out by a sparse checkout
    return await to_thread.run_sync(lambda: [one for one in marked if lexists(git.path / one)])


def _counted(paths: Sequence[str]) -> str:
    return "1 change is" if len(paths) == 1 else f"{len(paths)} changes are"


def _listed(paths: Sequence[str]) -> str:
    shown = ", ".join(visible(path, 200).replace("\n", " ") for path in paths[:_NAMED])
    return shown if len(paths) <= _NAMED else f"{shown} and {len(paths) - _NAMED} more"


# -- one gate --------------------------------------------------------------------------------------


async def _run(
    gate: Gate, run: Run, folder: Path, clock: Clock,
    env: Mapping[str, str], clean: Callable[[str], str],
) -> GateRun:  # fmt: skip
    began = clock.monotonic()

    def ended(status: int | None, tail: str, *, timed_out: bool = False) -> GateRun:
        signal = -status if status is not None and status < 0 else None
        status, seconds = None if signal else status, round(clock.monotonic() - began, 3)
        return GateRun(gate.name, gate.command, status, signal, seconds, tail, timed_out)

    try:
        done = await run(
            gate.command, cwd=folder, env=env, deadline=gate.deadline, limit=_KEPT, last=True
        )
    except TimedOut as exc:
        return ended(None, tail_of(*exc.said, clean), timed_out=True)
    except (NotInstalled, CommandFailed) as exc:
        return ended(None, clean(visible(exc.message, _TAIL)))
    return ended(done.status, _said(done, clean))


def _said(done: Completed, clean: Callable[[str], str]) -> str:
    return tail_of(done.stdout, done.stderr, clean)


def tail_of(stdout: bytes, stderr: bytes, clean: Callable[[str], str] = scrub) -> str:
    """The end of what was printed, as it may be shown: what went wrong stands last."""
    ends = (_end(stdout, clean), _end(stderr, clean))
    return "\n".join(end for end in ends if end)


def _end(data: bytes, clean: Callable[[str], str]) -> str:
    text = data[-_KEPT:].decode(errors="replace")
    if len(data) >= _KEPT:  # of a line cut in two, half a secret might pass
        text = text.partition("\n")[2]
    plain = visible(text.replace("\r\n", "\n").replace("\r", "\n"), len(text))
    shown = clean(plain).strip()
    if len(shown) <= _TAIL:
        return shown
    cut = shown[-_TAIL:]
    return "…\n" + (cut.partition("\n")[2] or cut)


# -- what they get, and what they leave ------------------------------------------------------------


def plain_environment(
    shell: Mapping[str, str],
    own: Mapping[str, str],
    secret: Collection[str] = (),
    clean: Callable[[str], str] = scrub,
) -> dict[str, str]:
    """What a gate is given: where programs are, who we are, our language, the project's `env`.

    Nobody's credentials: neither those named in `secret`, nor what is called or looks like one.
    """
    given = {**platform.default_env(shell), "LANG": "C.UTF-8"}
    given |= {name: text for name, text in shell.items() if _PLAIN.fullmatch(name)}
    given |= {name: text for name, text in own.items() if not is_secret_name(name)}
    return {
        name: text
        for name, text in given.items()
        if name not in secret and (name not in own or clean(text) == text)
    }


async def end_strays(mark: str) -> None:
    """End what the gates of an engine that was killed have left running."""
    for pid, started in await to_thread.run_sync(_marked, mark):
        await end_tree(pid, started=started, grace=_GRACE)


def _marked(mark: str) -> list[tuple[int, float | None]]:
    import psutil

    found: list[tuple[int, float | None]] = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):  # gone, or somebody else's
            if process.environ().get(MARK) == mark:
                found.append((process.pid, platform.process_started(process.pid)))
    return found
