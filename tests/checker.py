"""Walks a team's journal and its world, and tells in what they do not agree.

Made for a team at rest: nothing is being started, ended, merged or delivered (`rested` waits for
that). An empty list means that all there is, is somebody's, and all that was told is so.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from ao_core.model.event import Ended, Event, EventKind, Merged, MessageMoved, Moved
from ao_core.model.session import RuntimeState, Session, SessionState, is_terminal
from ao_core.model.work import MergeMethod
from ao_core.store.records import SETTLED, Delivery, Outcome
from snapshot import Snapshot, snapshot
from team import Team, git

_K = EventKind
_STEADY = 3  # looks in a row that must find the same
_PAUSE = 0.3
_WAY = frozenset({Delivery.QUEUED, Delivery.PASTING, Delivery.TYPED})
_SETTLES = {
    _K.MESSAGE_ACCEPTED: Delivery.ACCEPTED,
    _K.MESSAGE_UNCERTAIN: Delivery.UNCERTAIN,
    _K.MESSAGE_FAILED: Delivery.FAILED,
    _K.MESSAGE_EXPIRED: Delivery.EXPIRED,
    _K.MESSAGE_CANCELLED: Delivery.CANCELLED,
}
_PROVED_LATE = [Delivery.UNCERTAIN, Delivery.ACCEPTED]  # the only second word there is


def check(team: Team) -> list[str]:
    """Every fault that is found, in words."""
    seen = snapshot(team.home)
    world = World(team, seen)
    return [
        *numbers(seen), *names(seen), *states(seen), *intents(seen), *messages(seen),
        *world.agents(), *world.processes(), *world.worktrees(), *world.branches(),
        *world.refs(), *world.targets(),
    ]  # fmt: skip


def rested(team: Team, patience: float = 60.0) -> Snapshot:
    """Wait until nothing is under way any more; raises with what still is."""
    end, same, last = time.monotonic() + patience, 0, -1
    while True:
        team.sure("about")  # one that was killed has a successor from here on
        seen = snapshot(team.home)
        head = seen.journal[-1].seq if seen.journal else 0
        busy = list(under_way(seen))
        same, last = (same + 1 if head == last and not busy else 0), head
        if same >= _STEADY:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"it never came to rest: {busy or 'the journal grows'}")
        time.sleep(_PAUSE)


def under_way(seen: Snapshot) -> Iterator[str]:
    """What is begun and not over."""
    for id, session in seen.sessions.items():
        moving = (SessionState.NOT_STARTED, SessionState.WORKING, SessionState.DETECTING)
        if session.facts.state in moving:
            yield f"{id} is {session.facts.state}"
    for id, intent in seen.intents.items():
        if intent.outcome is Outcome.PENDING:
            yield f"intent {id} is pending"
    for id, message in seen.messages.items():
        if message.state in _WAY and not seen.sessions[message.session].question:
            yield f"message {id} is {message.state}"


# -- the books by themselves ----------------------------------------------------------------------


def numbers(seen: Snapshot) -> Iterator[str]:
    """The journal's lines are numbered without a gap."""
    found = [event.seq for event in seen.journal]
    if found != list(range(found[0], found[0] + len(found)) if found else []):
        yield "the journal has a gap, or a line twice"


def names(seen: Snapshot) -> Iterator[str]:
    """Each session was begun once, under a name, a branch and a folder of its own."""
    begun = Counter(
        event.session for event in seen.journal if event.kind is _K.SESSION_SPAWN_STARTED
    )
    yield from (f"{id} was begun {count} times" for id, count in begun.items() if count > 1)
    yield from (f"{id} was never begun" for id in seen.sessions.keys() - begun.keys())
    yield from (f"{id} was begun and is not known" for id in begun.keys() - seen.sessions.keys())
    for what in ("branch", "path"):
        used = Counter(getattr(one, what) for one in seen.sessions.values() if getattr(one, what))
        yield from (f"the {what} {name} is {n} sessions'" for name, n in used.items() if n > 1)


def states(seen: Snapshot) -> Iterator[str]:
    """Where the journal leaves each session is where its record has it."""
    for id, session in seen.sessions.items():
        told: str = SessionState.NOT_STARTED
        for event in seen.of(id):
            before = event.body.before if isinstance(event.body, Moved) else told
            # that a return begins is no line of its own
            if before not in (told, SessionState.NOT_STARTED):
                yield f"{id} went from {before} by line {event.seq}, but was {told}"
            told = _after(event, told)
        if told != session.facts.state:
            yield f"{id} is {session.facts.state}, but the journal leaves it {told}"


def _after(event: Event, told: str) -> str:
    if isinstance(event.body, Moved):
        return event.body.after
    if isinstance(event.body, Ended) or event.kind is _K.SESSION_SPAWN_FAILED:
        return SessionState.TERMINATED
    begins = event.kind in (_K.SESSION_SPAWNED, _K.SESSION_RESTORED)
    still = told in (SessionState.NOT_STARTED, SessionState.TERMINATED)
    return SessionState.WORKING if begins and still else told


def intents(seen: Snapshot) -> Iterator[str]:
    """What was begun came to an end that is known."""
    for id, intent in seen.intents.items():
        if intent.outcome in (Outcome.PENDING, Outcome.UNKNOWN):
            yield f"intent {id} is {intent.outcome}: {intent.detail}"


def messages(seen: Snapshot) -> Iterator[str]:
    """Each has its last receipt, once and as the journal tells it; or waits, and why is known."""
    queued, ends = Counter[str](), defaultdict[str, list[Delivery]](list)
    for event in seen.journal:
        if not isinstance(event.body, MessageMoved):
            continue
        queued[event.body.message] += event.kind is _K.MESSAGE_QUEUED
        if event.kind in _SETTLES:
            ends[event.body.message].append(_SETTLES[event.kind])
    yield from (
        f"message {id} is told of and is no record" for id in queued.keys() - seen.messages.keys()
    )
    for id, message in seen.messages.items():
        if queued[id] != 1:
            yield f"message {id} was queued {queued[id]} times"
        if len(ends[id]) > 1 and ends[id] != _PROVED_LATE:
            yield f"message {id} was settled more than once: {', '.join(ends[id])}"
        if message.state in SETTLED and ends[id][-1:] != [message.state]:
            yield f"message {id} is {message.state}, but the journal says {ends[id]}"
        if message.state not in SETTLED and not _is_explained(seen, id):
            yield f"message {id} is {message.state}, and nobody knows why"


def _is_explained(seen: Snapshot, id: str) -> bool:
    """The highest receipt its agent can give; or its session lives and waits for somebody."""
    message = seen.messages[id]
    session = seen.sessions[message.session]
    if is_terminal(session):
        return False
    waits = session.facts.state in (SessionState.NEEDS_INPUT, SessionState.STUCK)
    return message.state is message.highest or bool(message.reason) or waits


# -- the world ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class World:
    """Processes, work trees, branches and refs, beside what the books say of them."""

    team: Team
    seen: Snapshot

    @property
    def live(self) -> dict[str, Session]:
        """Sessions that have not ended and whose agent was started."""
        every = self.seen.sessions.items()
        return {id: one for id, one in every if not is_terminal(one) and one.run.handle}

    def panes(self) -> Mapping[str, tuple[bool, int]]:
        """By session: whether its pane is dead, and the process in it."""
        try:
            format = "#{session_name} #{pane_dead} #{pane_pid}"
            lines = self.team.tmux("list-panes", "-a", "-F", format).splitlines()
        except Exception:  # no server, no panes
            return {}
        rows = [line.split() for line in lines]
        known = [row for row in rows if row[0].rpartition("-")[2].isdigit()]
        return {name: (dead == "1", int(pid)) for name, dead, pid in known}

    def hosts(self) -> Mapping[str, tuple[int, int]]:
        """By session: a host that runs, and its agent."""
        folder = self.team.home / "plugins" / "runtime-process"
        found: dict[str, tuple[int, int]] = {}
        for place in folder.glob("*-*"):
            held = None if place.suffix else self.team.place(place.name).held()
            if held is not None and _runs(held.host):
                found[place.name] = held.host, held.child
        return found

    def agents(self) -> Iterator[str]:
        """Who lives has a process, and who does not has none."""
        panes = {id: pid for id, (dead, pid) in self.panes().items() if not dead}
        held = panes | {id: child for id, (_, child) in self.hosts().items()}
        for id, session in self.live.items():
            runs = id in held and _runs(held[id])
            if runs != (session.run.state is RuntimeState.ALIVE):
                yield f"{id} is {session.run.state}, and that its process runs is {runs}"
        for id in held.keys() - self.live.keys():
            yield f"an agent of {id} runs, process {held[id]}, and {self._standing(id)}"

    def _standing(self, id: str) -> str:
        session = self.seen.sessions.get(id)
        return f"that is {session.facts.state}" if session else "that is no session"

    def processes(self) -> Iterator[str]:
        """Every process of this home hangs on the engine, a terminal server or a host."""
        roots = {self.team.running_pid(), *(host for host, _ in self.hosts().values())}
        roots |= {pid for id, (_, pid) in self.panes().items() if id in self.live}
        for process in self.team.processes():
            try:
                line = {process.pid, *(one.pid for one in process.parents())}
                said = " ".join(process.cmdline())
            except psutil.Error:
                continue
            if not roots & line and "tmux" not in said.split(" ", 1)[0] and _runs(process.pid):
                yield f"process {process.pid} is nobody's: {said[:160]}"

    def worktrees(self) -> Iterator[str]:
        """Folders, git's own list and the records name the same work trees, and no other."""
        kept = {one.path for one in self.seen.sessions.values() if _has_workspace(one)}
        there = {str(path) for path in self.team.home.glob("*/worktrees/*")}
        spares = dict(self.spares())
        listed = set(self._listed()) - {str(self.team.repository)} - spares.keys()
        yield from (f"the spare {path} {fault}" for path, fault in spares.items() if fault)
        yield from (f"the work tree {path} is nobody's" for path in sorted(there - kept))
        yield from (f"the work tree {path} is missing" for path in sorted(kept - there))
        yield from (f"git lists {path}, which is nobody's" for path in sorted(listed - kept))
        yield from (f"git does not know {path}" for path in sorted((kept & there) - listed))

    def spares(self) -> Iterator[tuple[str, str]]:
        """What was made before anybody needs it, and what is wrong with that; "" for nothing."""
        told = git(self.team.repository, "worktree", "list", "--porcelain").split("\n\n")
        known = {block.splitlines()[0].removeprefix("worktree "): block for block in told}
        for path in map(str, self.team.home.glob("*/spares/*")):
            block = known.get(path, "")
            if not block:
                yield path, "is not known to git"
            elif "\ndetached" not in block or " spare " not in block.rpartition("\nlocked ")[2]:
                yield path, f"is no spare: {block}"
            else:
                changed = git(Path(path), "status", "--porcelain", "--ignored")
                yield path, f"is not as it was made: {changed}" if changed else ""

    def _listed(self) -> list[str]:
        told = git(self.team.repository, "worktree", "list", "--porcelain")
        return [
            line.removeprefix("worktree ")
            for line in told.splitlines()
            if line.startswith("worktree ")
        ]

    def branches(self) -> Iterator[str]:
        """Every branch under `ao/` is a session's; and who has a work tree has its branch."""
        there = set(self._refs("refs/heads/ao"))
        named = {f"refs/heads/{one.branch}": one for one in self.seen.sessions.values()}
        yield from (f"{ref} is no session's" for ref in sorted(there - named.keys()))
        for ref in sorted(named.keys() - there):
            if _has_workspace(named[ref]) and ref.startswith("refs/heads/ao/"):
                yield f"{named[ref].id} has lost its branch {ref}"

    def refs(self) -> Iterator[str]:
        """Saved work is where the records say; what else we keep waits to be merged."""
        there = set(self._refs("refs/ao"))
        saved = {ref for one in self.seen.sessions.values() for ref in one.salvage}
        bodies = [event.body for event in self.seen.journal]
        ready = {body.ref for body in bodies if isinstance(body, Merged) and body.ref}
        yield from (f"{ref} is accounted for by nobody" for ref in sorted(there - saved - ready))
        yield from (f"{ref} holds saved work, and is gone" for ref in sorted(saved - there))

    def _refs(self, under: str) -> list[str]:
        return git(self.team.repository, "for-each-ref", "--format=%(refname)", under).split()

    def targets(self) -> Iterator[str]:
        """Each target's first parents are where it began, and the merges that were reported."""
        begun: dict[str, str] = {}
        for event in self.seen.journal:
            if event.kind is _K.SESSION_SPAWN_STARTED and event.session in self.seen.sessions:
                session = self.seen.sessions[event.session]
                begun.setdefault(session.base, session.base_commit)
        for target, commit in begun.items():
            yield from self._target(target, commit)

    def _target(self, target: str, begun: str) -> Iterator[str]:
        line = git(self.team.repository, "rev-list", "--first-parent", target).split()
        made = line[: line.index(begun)] if begun in line else line
        if begun not in line:
            yield f"{target} has no more {begun}, where it began"
        done = [
            (event.session, event.body)
            for event in self.seen.journal
            if event.kind is _K.MERGE_COMPLETED and isinstance(event.body, Merged)
        ]
        here = [(id, one) for id, one in done if one.target == target and one.commit]
        told = Counter((id, str(one.commit)) for id, one in here)
        twice = [pair for pair, count in told.items() if count > 1]
        yield from (f"the merge {one} of {id} was told more than once" for id, one in twice)
        commits = {commit for _, commit in told}
        yield from (f"{target} has not the merge {one}" for one in commits.difference(line))
        if not any(one.method == MergeMethod.REBASE for _, one in here):  # that is many commits
            untold = [one for one in made if one not in commits]
            yield from (f"{target} has {one}, which nobody reported" for one in untold)


def _has_workspace(session: Session) -> bool:
    return bool(session.path) and not session.workspace_gone


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
