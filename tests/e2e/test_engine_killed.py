"""The engine is killed again and again while a lead works: nothing is lost, nothing is doubled."""

import random
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from rounds import rounds
from team import HELD, PLAIN, Kind, Team, git

SEEDS = range(rounds(5, 2))
KILLS, FEWER = 10, 4
POINTS = [(PLAIN, seed, KILLS) for seed in SEEDS] + [(kind, 5, FEWER) for kind in HELD[1:]]
LONGEST = 0.7  # seconds an engine may serve until it is killed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@dataclass
class Killer:
    """Ends one engine after the other, each some time after it came up."""

    team: Team
    random: random.Random
    left: int
    longest: float = LONGEST
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        known = 0
        while self.left and not self.over.is_set():
            pid = self.team.running_pid()
            if pid is None or pid == known:
                self.over.wait(0.005)
                continue
            self.over.wait(self.random.uniform(0.0, self.longest))
            self.team.kill_engine(pid)
            known, self.left = pid, self.left - 1


@dataclass
class Listener:
    """A lead that only waits, always from the cursor it was given last."""

    team: Team
    over: threading.Event = field(default_factory=threading.Event)
    lines: list[str] = field(default_factory=list[str])
    cursor: int = 0

    def run(self) -> None:
        while not self.over.is_set():
            self.listen(0.5)

    def listen(self, seconds: float) -> bool:
        news = self.team.sure("wait", until="any", cursor=self.cursor, seconds=seconds)
        self.cursor = news["cursor"]
        self.lines += news["events"]
        return bool(news["events"])

    def finish(self) -> list[str]:
        while self.listen(0):
            pass
        return self.lines


@contextmanager
def beside(*workers: Killer | Listener) -> Generator[None]:
    threads = [threading.Thread(target=one.run) for one in workers]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for one in workers:
            one.over.set()
        for thread in threads:
            thread.join()


@dataclass
class Round:
    """One run of the lead's script. Each call has a key, and is repeated until it is answered."""

    team: Team
    number: int

    def run(self) -> dict[str, str]:
        number = self.number
        issue = self.do("create_issue", title=f"Say {number}", body=self.writes("plain"))["issue"]
        plain = self.do("spawn", key="plain", issue=issue)["session"]
        written = f"do: write {number}-asks.txt {{answer}}"
        asks = self.spawn("asks", "do: ask Which?", written, "do: commit asks")
        may = self.spawn("may", "do: run echo hello", self.writes("may"))
        told = self.spawn("told", "do: say ready")
        self.until(asks, "question")
        self.team.reply(asks, "green", key=f"{number}-answer")
        request = self.until(may, "permissions_pending")["permissions_pending"][0]["request"]
        self.do("answer", key="allow", session=may, decision="allow", request=request)
        self.team.until(told, "idle")
        self.team.tell(told, self.writes("told"), key=f"{number}-told")
        for session in (plain, asks, may, told):
            self.team.until(session, "pr_open")
        self.back(told)
        for session in (plain, asks, may, told):
            merged = self.do("merge", key=f"merge-{session}", session=session)
            assert merged["merged"], merged
        return {"plain": plain, "asks": asks, "may": may, "told": told}

    def back(self, session: str) -> None:
        draft = f"{self.number}-draft.txt"
        wrote = f"do: write {draft} draft"
        self.team.tell(session, wrote, key=f"{self.number}-draft")
        path = Path(self.team.until_so(session, self.drafted)["path"])
        killed = self.do("kill", session=session)
        assert killed["salvage"], killed
        self.do("restore", session=session)
        assert (path / draft).read_text() == "draft\n"
        self.team.until_so(session, lambda shown: shown["state"] == "idle")
        self.team.tell(session, "do: commit draft", key=f"{self.number}-keep")
        self.team.until_so(session, self.kept)

    def kept(self, shown: dict[str, Any]) -> bool:
        return shown["state"] == "idle" and shown["report"] == "commit draft"

    def drafted(self, shown: dict[str, Any]) -> bool:
        return shown["state"] == "idle" and shown["report"] == f"write {self.number}-draft.txt"

    def writes(self, name: str) -> str:
        return f"do: write {self.number}-{name}.txt {name}\ndo: commit {name}"

    def spawn(self, name: str, *script: str) -> str:
        prompt = "\n".join(["Do this:", *script])
        return self.do("spawn", key=name, prompt=prompt)["session"]

    def until(self, session: str, fact: str) -> dict[str, Any]:
        return self.team.until_so(session, lambda shown: bool(shown[fact]))

    def do(self, method: str, key: str = "", **params: Any) -> dict[str, Any]:
        return self.team.sure(method, key=f"{self.number}-{method}-{key}", **params)


@pytest.mark.parametrize(("kind", "seed", "kills"), POINTS, ids=str)
def test_a_killed_engine_loses_nothing_and_doubles_nothing(
    team: Team, kind: Kind, seed: int, kills: int
) -> None:
    killer, listener = Killer(team, random.Random(seed), kills), Listener(team)  # noqa: S311
    rounds: list[dict[str, str]] = []
    with beside(killer, listener):
        while killer.left:
            rounds.append(Round(team, len(rounds)).run())
    assert killer.left == 0
    for count, sessions in enumerate(rounds):
        check_round(team, count, sessions)
    heard, journal = listener.finish(), team.journal()
    assert [number(line) for line in journal] == list(range(1, len(journal) + 1))
    assert heard == journal[: len(heard)]
    assert len(heard) == len(journal)
    assert len(team.call("list", ended=True, limit=500)["sessions"]) == 4 * len(rounds)
    assert len(team.call("list_issues")["issues"]) == len(rounds)
    unresolved = [line for line in journal if "intent.unresolved" in line]
    assert not unresolved


def check_round(team: Team, number: int, sessions: dict[str, str]) -> None:
    """Every worker did its work once, and all of it arrived."""
    told = {"plain": 1, "asks": 2, "may": 1, "told": 2}
    for name, session in sessions.items():
        shown = team.call("show", session=session)
        assert shown["status"] == "merged", shown
        assert all(one["state"] == "accepted" for one in shown["messages"]), shown
        assert (team.repository / f"{number}-{name}.txt").exists()
        start = git(team.repository, "rev-list", "--max-parents=0", "main")
        span = f"{start}..{shown['branch']}"
        log = git(team.repository, "log", "--format=%s", "--first-parent", span)
        assert Counter(log.splitlines())[name] == 1, log
        heard = team.heard(session)
        expected = told[name]
        assert len(heard) == len(set(heard)) == expected, heard


def number(line: str) -> int:
    return int(line.split(" ", 1)[0])
