"""The disk is full at one write after the other: nothing is lost, and every refusal has a remedy.

Each test begins with no room at all and goes on until nothing is refused any more: by growing
steps, or with EVERY_WRITE set (`make full-disk`) by one page or inode at a time, at every place.
"""

import json
import os
import subprocess
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from itertools import cycle, product
from pathlib import Path
from typing import Any

import psutil
import pytest

from ao_core.errors import AoError, StoreUnavailable, TimedOut
from receiver import Receiver
from small_disk import GIVEN, SmallDisk, Unit, mounted
from somebody_else import AS_NOBODY, NOBODY, ROOT, folder_of_nobody, python_of_nobody
from team import PROTOCOL, Kind, Team, eventually, git

# what is on the small disk, which store the home has, and how its agents are driven
HOMES = ("home-sqlite-terminal", "home-files-terminal")
STAGES = (*HOMES, "repository-sqlite-terminal")
SPOKEN = f"home-sqlite-{PROTOCOL.drive}"
EVERY = bool(os.environ.get("EVERY_WRITE"))
CALM = 16 if EVERY else 1  # times that nothing is refused in a row: then there is room enough
FILLING = " and so on" * 500  # more than what is left of a page that is begun

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600 if EVERY else 240)]


def places(*stages: str, first: Unit = "pages") -> pytest.MarkDecorator:
    """Each stage without pages or without inodes, in turns; with EVERY_WRITE set, in both ways."""
    units = ("pages", "inodes") if first == "pages" else ("inodes", "pages")
    tried = product(stages, units) if EVERY else zip(stages, cycle(units), strict=False)
    return pytest.mark.parametrize(("stage", "unit"), list(tried), indirect=["stage"])


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    if GIVEN in os.environ:
        folder = Path(os.environ[GIVEN])
        yield SmallDisk(folder)
        subprocess.run(["find", folder, "-mindepth", "1", "-delete"], check=True)
    elif os.getuid() == 0:
        with mounted(tmp_path / "disk") as folder:
            yield SmallDisk(folder)
    else:
        pytest.skip("only root can mount a small disk")


@dataclass
class Stage:
    """A team whose home, or whose repository, is on the small disk."""

    team: Team
    disk: SmallDisk
    refusals: int = 0
    waits: bool = False  # whether the last call did
    ended: int = 0  # sessions whose branch stays
    left: int = 0

    def rooms(self) -> Iterator[int]:
        """How much room to leave: from none until nothing is refused any more."""
        room = calm = 0
        while calm < CALM:
            before = self.refusals
            self.fresh(room)
            yield room
            calm = 0 if self.waits or self.refusals > before else calm + 1
            room = room + 1 if EVERY else 3 * room or 3

    def tried(self, method: str, **params: Any) -> dict[str, Any] | None:
        """What came of a call; None if it was refused for want of room, with a remedy.

        Where an agent is driven by protocol its host waits for room, and so may the call.
        """
        self.waits = False
        try:
            return self.team.call(method, **params)
        except AoError as error:
            refusal = error
        self.waits = refusal.code == TimedOut.code and self.team.kind.drive == PROTOCOL.drive
        known = self.waits or refusal.code == StoreUnavailable.code
        assert known, (refusal.wire(), self.team.log())
        assert refusal.hint, refusal.wire()
        self.refusals += not self.waits
        return None

    def fresh(self, room: int) -> None:
        """Now and then another engine, whose store has to grow again to write."""
        if EVERY and room % 8 == 0:
            engine = psutil.Process(self.team.engine_pid)
            engine.terminate()
            psutil.wait_procs([engine], 10)
            assert self.team.engine_pid != engine.pid

    def nothing_stray(self) -> None:
        """Every work tree, branch and pane is that of a session that has not ended."""
        listed = self.team.call("list")["sessions"]
        live = {one["session"] for one in listed if not one["ended"]}
        trees = [path.name for path in self.team.home.glob("*/worktrees/*")]
        assert set(trees) <= live
        known = git(self.team.repository, "worktree", "list", "--porcelain").count("worktree ")
        assert known == 1 + len(trees)
        branches = git(self.team.repository, "branch", "--list", "ao/*").split("\n")
        # git cannot even delete a branch where there is no inode for its lock; a retry takes it
        allowed = self.ended + len(trees) + self.left
        assert sum(bool(branch) for branch in branches) <= allowed
        tmux = live and self.team.kind.drive == "terminal"
        dead = self.team.tmux("list-panes", "-a", "-F", "#{pane_dead}") if tmux else ""
        assert dead.split().count("0") <= len(live)


@pytest.fixture
def stage(request: pytest.FixtureRequest, disk: SmallDisk, tmp_path: Path) -> Generator[Stage]:
    there, store, drive = request.param.split("-")
    kind = Kind(drive, store)
    places = {"home": tmp_path / "home", "repository": tmp_path / "sample"}
    places[there] = disk.path / places[there].name
    places["home"].mkdir(mode=0o700)
    Team.new_repository(places["repository"], kind.project())
    team = Team(places["home"], places["repository"], tmp_path / "run", kind)
    yield Stage(team.trusted(), disk)
    assert (team.home / "ao.db").exists() == (store == "sqlite")
    disk.free()
    team.end()


@places(*STAGES, SPOKEN)
def test_a_spawn_succeeds_or_leaves_nothing_and_works_once_there_is_room(
    stage: Stage, unit: Unit
) -> None:
    team, made = stage.team, list[str]()
    for room in stage.rooms():
        pid = team.engine_pid
        asked = {"prompt": "Do this:\ndo: say ready", "key": f"spawn-{room}"}
        stage.disk.fill(unit, room)
        first = stage.tried("spawn", **asked)
        if first is None and not stage.waits:
            stage.left = int(unit == "inodes")
            stage.nothing_stray()
            stage.tried("spawn", **asked)
        listed = team.call("list")["sessions"]
        assert len(listed) <= 1
        stage.disk.free()
        stage.left = 0
        session = team.sure("spawn", **asked)["session"]
        assert first is None or first["session"] == session
        made.append(session)
        team.until(session, "idle")
        assert "do: say ready" in only_task(team, session)
        stage.nothing_stray()
        assert team.call("kill", session=session)["workspace_removed"]
        assert team.engine_pid == pid
        stage.ended += 1
        stage.nothing_stray()
    assert stage.refusals
    assert len(set(made)) == len(made)
    assert len(team.call("list", ended=True, limit=500)["sessions"]) == len(made)


@places(*HOMES, first="inodes")
def test_an_engine_starts_on_a_full_disk_or_says_why_not_and_forgets_nothing(
    stage: Stage, unit: Unit
) -> None:
    team = stage.team
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    for room in stage.rooms():
        journal = team.journal()
        team.kill_engine()
        stage.disk.fill(unit, room)
        listed = stage.tried("list")
        assert listed is None or [one["session"] for one in listed["sessions"]] == [session]
        stage.disk.free()
        assert [one["session"] for one in team.sure("list")["sessions"]] == [session]
        assert team.journal()[: len(journal)] == journal
    assert stage.refusals
    sent = team.sure("send", session=session, message="do: say still here", key="here")
    team.until_so(session, settled)
    assert sent["state"] in ("submitted", "accepted")
    eventually(lambda: team.heard(session)[1:] == ["do: say still here"])


@places(*STAGES)
def test_kill_and_restore_are_refused_or_done_and_no_work_is_lost(stage: Stage, unit: Unit) -> None:
    team = stage.team
    session = team.spawn("do: write draft.txt draft")
    path, refused = Path(team.until(session, "idle")["path"]), set[str]()
    for room in stage.rooms():
        for verb in ("kill", "restore"):
            asked = {"session": session, "key": f"{verb}-{room}"}
            stage.disk.fill(unit, room)
            if stage.tried(verb, **asked) is None:
                refused.add(verb)
            stage.disk.free()
            team.sure(verb, **asked)
            assert path.exists() == (verb == "restore")
        assert team.until(session, "idle")["runtime"] == "alive"
        assert (path / "draft.txt").read_text() == "draft\n"
    sure = {"restore"} if team.kind.store == "files" else {"kill", "restore"}
    assert refused >= sure  # what is left of the journal's last page may do for a kill
    assert len(team.call("list", ended=True)["sessions"]) == 1


@places(*HOMES, SPOKEN)
def test_a_message_is_refused_or_arrives_exactly_once(stage: Stage, unit: Unit) -> None:
    team = stage.team
    session, sent = team.spawn("do: say ready"), list[str]()
    team.until(session, "idle")
    for room in stage.rooms():
        message = f"do: say room-{room}{FILLING}"
        asked = {"session": session, "message": message, "key": f"send-{room}"}
        stage.disk.fill(unit, room)
        first = stage.tried("send", **asked)
        team.call("show", session=session)
        team.call("wait", until="any", seconds=0)
        stage.disk.free()
        again = team.sure("send", **asked)
        assert first is None or again["message"] == first["message"]
        team.until_so(session, settled)
        sent.append(message)
    assert stage.refusals or unit == "inodes"  # what is open already takes a message without one
    team.until_so(session, lambda shown: shown["state"] == "idle")
    eventually(lambda: team.heard(session)[1:] == sent)


# -- what a team does ------------------------------------------------------------------------------


@places(*HOMES)
def test_a_train_is_refused_or_lands_once_and_blames_no_worker(stage: Stage, unit: Unit) -> None:
    team = stage.team
    for room in stage.rooms():
        names = [f"{room}-{part}.txt" for part in "ab"]
        both = [team.spawn(f"do: write {name} x", f"do: commit {name}") for name in names]
        for session in both:
            team.until(session, "pr_open")
        told = {session: team.heard(session) for session in both}
        asked = {"sessions": both, "key": f"merge-{room}"}
        stage.disk.fill(unit, room)
        first = stage.tried("merge", **asked)
        stage.disk.free()
        done = team.sure("merge", **asked)
        assert done["merged"], (first, done)
        assert {session: team.heard(session) for session in both} == told
        subjects = git(team.repository, "log", "--format=%s", "--no-merges", "main").split("\n")
        assert [subjects.count(name) for name in names] == [1, 1]
        assert not git(team.repository, "status", "--porcelain")
        assert all((team.repository / name).exists() for name in names)
        for session in both:
            team.until(session, "merged")
            assert team.sure("kill", session=session)["workspace_removed"]
            stage.ended += 1
        stage.nothing_stray()
    assert stage.refusals or unit == "inodes"
    kinds = [line.split(" ")[2] for line in team.journal()]
    assert not [kind for kind in kinds if kind in ("merge.failed", "merge.conflicts")]


@places(*HOMES, first="inodes")
def test_a_review_is_refused_or_reaches_its_worker_once(stage: Stage, unit: Unit) -> None:
    team, asked = stage.team, list[str]()
    session = team.spawn("do: write a.txt one", "do: commit one")
    team.until(session, "pr_open")
    for room in stage.rooms():
        asked.append(f"wish-{room} {FILLING}")
        review = {"session": session, "verdict": "changes", "body": asked[-1], "key": str(room)}
        stage.disk.fill(unit, room)
        first = stage.tried("review", **review)
        stage.disk.free()
        again = team.sure("review", **review)
        assert first is None or again["message"] == first["message"]
        team.until_so(session, settled)
    eventually(lambda: len(team.heard(session)) == 1 + len(asked))
    found = [text for text in team.heard(session)[1:] if "Changes were asked for" in text]
    assert [wish.split()[0] in text for wish, text in zip(asked, found, strict=True)] == (
        [True] * len(asked)
    )
    assert stage.refusals or unit == "inodes"
    kinds = [line.split(" ")[2] for line in team.journal()]
    assert kinds.count("review.changes_requested") == len(asked)


@places(*HOMES, SPOKEN, first="inodes")
def test_a_pause_is_refused_or_holds_and_what_waits_for_its_end_arrives_once(
    stage: Stage, unit: Unit
) -> None:
    team, sent = stage.team, list[str]()
    session = team.spawn("do: say ready")
    team.until(session, "idle")
    for count, room in enumerate(stage.rooms()):
        for verb in ("pause", "resume"):
            for asked in ({"sessions": [session]}, {"all": True})[: 1 + count % 2]:
                call = {**asked, "key": f"{verb}-{room}-{len(asked)}-{'all' in asked}"}
                stage.disk.fill(unit, room)
                stage.tried(verb, **call)
                stage.disk.free()
                team.sure(verb, **call)
                held = team.call("show", session=session)["paused"] is not None
                assert held == (verb == "pause")
            if verb == "pause":
                sent.append(f"do: say room-{room}")
                team.sure("send", session=session, message=sent[-1], key=f"m-{room}")
        team.until_so(session, settled)
        team.until_so(session, lambda shown: shown["state"] == "idle")  # no turn is cut short
    eventually(lambda: team.heard(session)[1:] == sent)
    assert stage.refusals or unit == "inodes"
    assert team.spawn("do: say on")


@places(*HOMES, first="inodes")
def test_who_waits_in_the_queue_starts_once_there_is_room(stage: Stage, unit: Unit) -> None:
    team = stage.team
    configured(team, "    maxWorkers: 1\n    agent:", "    agent:")
    for room in stage.rooms():
        first = team.sure("spawn", prompt="do: say ready", key=f"first-{room}")["session"]
        team.until(first, "idle")
        asked = {"prompt": "Do this:\ndo: say ready", "key": f"queued-{room}"}
        stage.disk.fill(unit, room)
        stage.tried("spawn", **asked)
        stage.disk.free()
        queued = team.sure("spawn", **asked)
        assert queued["queued"]
        stage.disk.fill(unit, room)
        team.agent(first).kill()  # its place is free, and there is no room for the next
        stage.tried("list")
        assert stage.tried("kill", session=first) is None or team.call("show", session=first)
        stage.disk.free()
        assert team.sure("kill", session=first)
        team.until(queued["session"], "idle")
        assert len(team.heard(queued["session"])) == 1
        team.sure("kill", session=queued["session"])
        stage.ended += 2
        stage.nothing_stray()
    assert stage.refusals


@places(*HOMES)
def test_what_is_reacted_to_is_told_once_there_is_room(stage: Stage, unit: Unit) -> None:
    team, ended = stage.team, list[str]()
    with Receiver() as people:
        hook = f"notifiers: {{hook: {{plugin: webhook, url: '{people.url}'}}}}\n"
        configured(team, f"{hook}defaults: {{notifiers: [hook]}}\nprojects:", "projects:")
        for room in stage.rooms():
            session = team.spawn("do: say ready")
            team.until(session, "idle")
            stage.disk.fill(unit, room)
            team.agent(session).kill()
            stage.tried("send", session=session, message=f"do: say {FILLING}")
            stage.disk.free()
            ended.append(session)
            eventually(lambda: notes(people).count(ended[-1]) == 1)
            assert team.sure("kill", session=session)["workspace_removed"]
        eventually(lambda: told_of(team, "notification.sent") >= len(ended))
        assert sorted(notes(people)) == sorted(ended)
    assert told_of(team, "reaction.triggered") == told_of(team, "session.exited") == len(ended)


def notes(people: Receiver) -> list[str]:
    """Of whose end people were told; a note that is sent again has the id it had."""
    sent = {str(note["id"]): note for note in (json.loads(one.body) for one in people.sent)}
    return [str(one["session"]) for one in sent.values() if one["kind"] == "reaction.agent-exited"]


def told_of(team: Team, kind: str) -> int:
    return sum(line.split(" ")[2] == kind for line in team.journal())


def configured(team: Team, new: str, old: str) -> None:
    """Another configuration, trusted."""
    file = team.repository / "agent-orchestrator.yaml"
    file.write_text(file.read_text().replace(old, new, 1))
    git(team.repository, "commit", "-q", "-a", "-m", "settings")
    team.trusted()


def only_task(team: Team, session: str) -> str:
    """What the worker was told; it writes that down once there is room."""
    eventually(lambda: len(team.heard(session)) == 1)
    return team.heard(session)[0]


def settled(shown: dict[str, Any]) -> bool:
    """Whether every message has arrived."""
    return all(one["state"] == "accepted" for one in shown["messages"])


def test_the_same_holds_for_a_user_without_privileges() -> None:
    if os.getuid() != 0 or GIVEN in os.environ:
        pytest.skip("only root can mount a small disk and become somebody else")
    with folder_of_nobody() as folder, mounted(folder / "disk", NOBODY) as small:
        python = python_of_nobody(folder / "environment")
        if python is None:
            pytest.skip("nobody can run no Python of this version, or not read this checkout")
        chosen = (
            "terminal and (home-sqlite and pages and (spawn or kill or arrives_exactly)"
            " or home-files and inodes and spawn)"
        )
        argv = [*AS_NOBODY, python, "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
        every = {"EVERY_WRITE": "1"} if EVERY else {}
        done = subprocess.run(
            [*argv, "-k", chosen, "--basetemp", folder / "tests", __file__], cwd=ROOT,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), GIVEN: str(small), **every},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "4 passed" in done.stdout
