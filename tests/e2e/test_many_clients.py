"""Eight clients at once, each doing what comes to its mind: in the end journal and world agree.

Seven seconds of it, or with FULL_MINUTE set (`make full-minute`) a minute; SEED repeats what
another run printed.
"""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from ao_core.errors import AoError, Conflict, Internal, TimedOut, WrongState
from checker import check, rested
from team import FILES, PLAIN, PROTOCOL, Kind, Team

CLIENTS = 8
SECONDS = 60.0 if os.environ.get("FULL_MINUTE") else 7.0
MOST_ALIVE = 10
EXPECTED = (WrongState.code, Conflict.code)  # of whom somebody else was faster
NEVER = (Internal.code, TimedOut.code)  # a fault of ours, or somebody waits for ever

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@dataclass
class Crowd:
    """What all clients have done together."""

    team: Team
    end: float
    spawned: list[str] = field(default_factory=list[str])
    sent: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    merged: list[str] = field(default_factory=list[str])
    done: Counter[str] = field(default_factory=Counter[str])
    refused: Counter[str] = field(default_factory=Counter[str])
    broken: list[str] = field(default_factory=list[str])


@dataclass
class Client:
    """One of them, with a connection of its own."""

    crowd: Crowd
    name: str
    random: random.Random
    count: int = 0

    def run(self) -> None:
        deeds: list[Callable[[], object]] = [
            self.spawn, self.spawn, self.send, self.send, self.kill, self.merge, self.merge,
            self.train, self.restore,
        ]  # fmt: skip
        try:
            with self.crowd.team.connect() as self.line:
                while time.monotonic() < self.crowd.end:
                    self.count += 1
                    self.attempt(self.random.choice(deeds))
        except Exception as error:  # told by the test itself, which a thread cannot fail
            self.crowd.broken.append(f"{self.name}: {error!r}")

    def attempt(self, deed: Callable[[], object]) -> None:
        name = deed.__name__
        try:
            if deed() is not None:
                self.crowd.done[name] += 1
        except AoError as error:
            told = error.code if error.code in EXPECTED else str(error)
            self.crowd.refused[f"{name}: {told}"] += 1
            if error.code in NEVER:
                self.crowd.broken.append(f"{self.name} {name}: {error.wire()}")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.line.call(method, params, 60)

    def one(self, **asked: Any) -> str | None:
        found = self.call("list", limit=500, **asked)["sessions"]
        return self.random.choice(found)["session"] if found else None

    def spawn(self) -> object:
        if len(self.call("list", limit=500)["sessions"]) >= MOST_ALIVE:
            return None
        file = f"{self.name}-{self.count}"
        prompt = f"Do this:\ndo: write {file}.txt {file}\ndo: commit {file}"
        session = self.call("spawn", prompt=prompt)["session"]
        self.crowd.spawned.append(session)
        return session

    def send(self) -> object:
        session, text = self.one(), f"do: say {self.name}-{self.count}"
        if session is None:
            return None
        message = self.call("send", session=session, message=text)["message"]
        self.crowd.sent[message] = session, text
        return message

    def kill(self) -> object:
        session = self.one()
        return session and self.call("kill", session=session)

    def merge(self) -> object:
        session = self.one(status="pr_open")
        if session is None:
            return None
        report = self.call("merge", session=session)
        if not report["merged"]:
            return None
        self.crowd.merged.append(session)
        return report

    def train(self) -> object:
        open = self.call("list", limit=500, status="pr_open")["sessions"]
        ids = [one["session"] for one in self.random.sample(open, min(3, len(open)))]
        if len(ids) < 2:
            return None
        members = self.call("merge", sessions=ids)["members"]
        landed: list[str] = [one["session"] for one in members if one["outcome"] == "landed"]
        self.crowd.merged += landed
        return landed or None

    def restore(self) -> object:
        ended = [
            one["session"] for one in self.call("list", ended=True, limit=500)["sessions"]
            if one["ended"]
        ]  # fmt: skip
        return self.call("restore", session=self.random.choice(ended)) if ended else None


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL, FILES], ids=str)
def test_eight_clients_at_once_leave_a_journal_and_a_world_that_agree(
    team: Team, kind: Kind
) -> None:
    seed = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"SEED={seed}")  # noqa: T201 - what failed can be repeated
    crowd = Crowd(team, time.monotonic() + SECONDS)
    clients = [
        Client(crowd, f"c{number}", random.Random(seed * CLIENTS + number))  # noqa: S311
        for number in range(CLIENTS)
    ]
    threads = [threading.Thread(target=one.run, daemon=True) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS + 120)
    print(dict(crowd.done), dict(crowd.refused))  # noqa: T201
    assert not any(thread.is_alive() for thread in threads), "somebody waits for ever"
    assert crowd.broken == []
    seen = rested(team)
    assert check(team) == []
    assert all(crowd.done[deed] for deed in ("spawn", "send", "kill", "merge")), crowd.refused
    assert len(set(crowd.spawned)) == len(crowd.spawned)
    assert set(crowd.spawned) <= seen.sessions.keys()
    assert crowd.sent.keys() <= seen.messages.keys()
    assert all(seen.sessions[id].merged_as for id in crowd.merged)
    heard_once(team, crowd)


def heard_once(team: Team, crowd: Crowd) -> None:
    """No worker was told anything twice, or what was for another."""
    for session in set(crowd.spawned):
        if team.call("show", session=session)["workspace_gone"]:
            continue
        for text, count in Counter(team.heard(session)).items():
            told = [
                id for id, (whom, said) in crowd.sent.items() if (whom, said) == (session, text)
            ]
            assert not text.startswith("do: say") or count == len(told) == 1, (session, text)
