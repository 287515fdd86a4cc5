"""Walks a team's journal and its world, and tells in what they do not agree.

Made for a team at rest: nothing is being started, ended, merged or delivered (`rested` waits for
that). An empty list means that all there is, is somebody's, and all that was told is so.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from ao_core.model.event import (
    Ended,
    Event,
    EventKind,
    Merged,
    MessageMoved,
    Moved,
    PermissionMoved,
    Saved,
)
from ao_core.model.session import RuntimeState, Session, SessionState, is_terminal
from ao_core.model.work import MergeMethod
from ao_core.store.records import SETTLED, Delivery, Message, Mode, Outcome
from snapshot import Snapshot, snapshot
from team import Team, git, heard

_K = EventKind
_QUIET = 0.5  # seconds in which nothing more is told
_AGAIN = 0.1
_WAY = frozenset({Delivery.QUEUED, Delivery.PASTING, Delivery.TYPED})
_SETTLES = {
    _K.MESSAGE_ACCEPTED: Delivery.ACCEPTED,
    _K.MESSAGE_UNCERTAIN: Delivery.UNCERTAIN,
    _K.MESSAGE_FAILED: Delivery.FAILED,
    _K.MESSAGE_EXPIRED: Delivery.EXPIRED,
    _K.MESSAGE_CANCELLED: Delivery.CANCELLED,
}
_TYPED = (_K.MESSAGE_TYPED, _K.MESSAGE_SUBMITTED)  # a paste that did not happen is done again
_PROVED_LATE = [Delivery.UNCERTAIN, Delivery.ACCEPTED]  # the only second word there is


def check(team: Team) -> list[str]:
    """Every fault that is found, in words."""
    seen = snapshot(team.home)
    world = World(team, seen)
    return [
        *numbers(seen), *names(seen), *states(seen), *intents(seen), *messages(seen),
        *permissions(seen), *reactions(seen), *uses(seen), *Folders(team, seen).faults(),
        *world.agents(), *world.processes(), *world.worktrees(), *world.branches(),
        *world.refs(), *world.targets(), *world.told(),
    ]  # fmt: skip


def rested(team: Team, patience: float = 60.0) -> Snapshot:
    """Wait until nothing is under way any more; raises with what still is."""
    end, last = time.monotonic() + patience, -1
    while True:
        team.sure("about")  # one that was killed has a successor from here on
        seen = snapshot(team.home)
        head = seen.journal[-1].seq if seen.journal else 0
        busy = list(under_way(seen))
        if head == last and not busy:
            return seen
        if time.monotonic() > end:
            raise AssertionError(f"it never came to rest: {busy or 'the journal grows'}")
        last = -1 if busy else head
        time.sleep(_AGAIN if busy else _QUIET)


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
    for id, pursuit in seen.pursuits.items():
        if pursuit.pending:
            yield f"reaction {id} has a merge to make"


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
    ports = Counter(port for one in seen.sessions.values() if not is_terminal(one)
                    for port in one.ports)  # fmt: skip
    yield from (f"port {port} is {n} sessions'" for port, n in ports.items() if n > 1)
    for id in seen.sessions:
        prefix, _, number = id.rpartition("-")
        if prefix not in seen.counters or seen.counters[prefix].value < int(number):
            yield f"the number of {id} may be given away again"


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
    queued, ends, typed = Counter[str](), defaultdict[str, list[Delivery]](list), set[str]()
    for event in seen.journal:
        if not isinstance(event.body, MessageMoved):
            continue
        id = event.body.message
        if event.kind is _K.MESSAGE_QUEUED and id in typed:
            yield f"message {id} was queued again by line {event.seq}, after it was typed"
        queued[id] += event.kind is _K.MESSAGE_QUEUED
        typed |= {id} if event.kind in _TYPED else set()
        if event.kind in _SETTLES:
            ends[id].append(_SETTLES[event.kind])
    yield from (
        f"message {id} is told of and is no record" for id in queued.keys() - seen.messages.keys()
    )
    for id, message in seen.messages.items():
        if not queued[id]:
            yield f"message {id} was never queued"
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


def permissions(seen: Snapshot) -> Iterator[str]:
    """Each was asked for and answered once, and none waits for an answer to who has ended."""
    asked, ended = Counter[str](), Counter[str]()
    for event in seen.journal:
        if isinstance(event.body, PermissionMoved):
            asked[event.body.request] += event.kind is _K.PERMISSION_ASKED
            ended[event.body.request] += event.kind is not _K.PERMISSION_ASKED
    yield from (f"permission {id} is no record" for id in ended.keys() - seen.permissions.keys())
    for id, one in seen.permissions.items():
        ends = int(one.ended_at is not None)
        if asked[id] > 1 or ended[id] != ends:
            yield f"permission {id} was asked for {asked[id]} times, and answered {ended[id]} times"
        if not ends and is_terminal(seen.sessions[one.session]):
            yield f"permission {id} waits, and {one.session} has ended"


def reactions(seen: Snapshot) -> Iterator[str]:
    """Each is to something that is known; what it was to do is done."""
    known = {*seen.sessions, *(one.project for one in seen.sessions.values())}
    for id, pursuit in seen.pursuits.items():
        if pursuit.subject not in known or pursuit.pending:
            yield f"reaction {id} is left: its merge is to be made: {pursuit.pending}"


def uses(seen: Snapshot) -> Iterator[str]:
    """What was done under a key is there, and was done under no other."""
    made = {"spawn": seen.sessions, "send": seen.messages}
    for operation, known in made.items():
        used = Counter(
            one.subject for one in seen.keys.values() if one.operation == operation and one.subject
        )
        yield from (f"a key of {operation} names {id}" for id in used.keys() - known.keys())
        yield from (f"{id} was made under {n} keys" for id, n in used.items() if n > 1)


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
        yield from self._checkout(target)
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

    def _checkout(self, target: str) -> Iterator[str]:
        """A person's own checkout has what its branch has, and nobody holds it."""
        repository = self.team.repository
        if git(repository, "symbolic-ref", "--short", "HEAD") != target:
            return
        if changed := git(repository, "status", "--porcelain"):
            yield f"the checkout of {target} is not as it is committed: {changed}"
        locks = (repository / ".git").rglob("*.lock")  # ours are held by a process, and stay
        yield from (f"{lock} was left" for lock in locks if not lock.name.startswith("ao-"))

    def told(self) -> Iterator[str]:
        """Each worker's own log has what was accepted, and nothing twice or of nobody's."""
        for id, session in self.seen.sessions.items():
            if not _has_workspace(session) or not Path(session.path).is_dir():
                continue
            texts = [text.strip() for text in heard(Path(session.path))]
            mine = [one for one in self.seen.messages.values() if one.session == id]
            yield from _told(session, Counter(texts), mine, set(texts[:1]))


def _told(
    session: Session, heard: Counter[str], messages: Sequence[Message], task: set[str]
) -> Iterator[str]:
    id, said = session.id, [one for one in messages if one.mode is not Mode.COMMAND]
    now = [one for one in said if one.generation == session.generation]  # the log may be new
    sent = Counter(one.body.strip() for one in said)
    sure = Counter(one.body.strip() for one in now if one.state is Delivery.ACCEPTED)
    for text, times in heard.items():
        if times > sent[text] + (text in task and not sent[text]):
            yield f"{id} was told {text[:60]!r} {times} times, and it was sent {sent[text]} times"
    for text, times in sure.items():
        if heard[text] < times:
            yield f"{id} has accepted {text[:60]!r} {times} times, and heard it {heard[text]} times"


@dataclass(frozen=True)
class Folders:
    """What else a home keeps on the disk, beside what the books say of it."""

    team: Team
    seen: Snapshot

    def faults(self) -> Iterator[str]:
        """Archives belong to saved work, the rest to sessions; no draft and no scratch is left."""
        home = self.team.home
        told = [event.body.archive for event in self.seen.journal if isinstance(event.body, Saved)]
        kept = {path for path in told if path}
        there = {str(path) for path in home.glob("*/archive/*")}
        yield from (f"the archive {path} is nobody's" for path in sorted(there - kept))
        yield from (f"the archive {path} is gone" for path in sorted(kept - there))
        for kind in ("spool", "prompts"):
            for path in home.glob(f"*/{kind}/*"):
                if path.name not in self.seen.sessions:
                    yield f"the folder {path} is nobody's"
        for pattern in ("*/scratch/*", "*/*/scratch/*"):
            yield from (f"the scratch {path} was left" for path in home.glob(pattern))
        for folder in self.team.folders:
            yield from (f"the offer {path} was left" for path in folder.glob("go-*"))


def _has_workspace(session: Session) -> bool:
    return bool(session.path) and not session.workspace_gone


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
