"""A host whose checks and reviewers speak up by themselves: what they say goes to the worker."""

import json
from pathlib import Path
from typing import Any

import pytest

from team import CONFIG, PLAIN, PROTOCOL_FILES, Kind, Team, eventually, git

SETTINGS = """\
plugins:
  - {name: judges, slot: scm, path: "./judges.py:Judges"}
"""
HOST = '''\
"""The local host, with checks and reviewers who write to a file beside the repository."""

import json
from collections.abc import Mapping, Sequence

from ao_core.model.judgement import Judgement
from ao_core.model.work import Check, CheckState, Pull, ReviewComment, ReviewDecision
from ao_core.plugin import Manifest
from ao_core.slots.scm import Judging
from ao_plugins.scm.local import LocalScm


class Judges(LocalScm, Judging):
    """Somebody has a say."""

    manifest = Manifest("judges", "scm", "A host with judges", "1.0.0")

    async def judge(self, pulls: Sequence[Pull]) -> Mapping[int, Judgement]:
        said = json.loads((self.scope.repository.parent / "said.json").read_text())
        return {pull.number: judgement(pull, said) for pull in pulls if pull.head == said["head"]}


def judgement(pull: Pull, said: dict) -> Judgement:
    checks = [Check(name, CheckState(state), None, more) for name, state, more in said["checks"]]
    comments = [ReviewComment(*one) for one in said["comments"]]
    decision = ReviewDecision(said["decision"])
    return Judgement(
        pull.head, tuple(checks), decision, (), tuple(comments), mergeable=said["mergeable"]
    )
'''


@pytest.fixture
def repository(tmp_path: Path, kind: Kind) -> Path:
    config = CONFIG.replace("    agent: command", "    scm: {plugin: judges}\n    agent: command")
    made = Team.new_repository(tmp_path / "sample", SETTINGS + kind.project(config))
    (made / "judges.py").write_text(HOST)
    git(made, "add", "-A")
    git(made, "commit", "-q", "-m", "a host with judges")
    (tmp_path / "said.json").write_text(json.dumps({"head": None}))
    return made


def say(team: Team, session: str, **what: Any) -> None:
    """They say something of its last commit; it is seen when a turn ends."""
    nothing: dict[str, Any] = {"checks": [], "comments": [], "decision": "none"}
    said = {**nothing, "mergeable": False, **what}
    said["head"] = team.call("show", session=session)["commits"][-1]
    (team.repository.parent / "said.json").write_text(json.dumps(said))
    team.tell(session, "do: say all right")


def to_mend(team: Team, session: str, word: str) -> list[str]:
    return [text for text in team.heard(session) if word in text]


@pytest.mark.parametrize("kind", [PLAIN, PROTOCOL_FILES], ids=str)
def test_failed_checks_and_remarks_go_to_the_worker_once_until_all_agree(team: Team) -> None:
    session = team.spawn("do: write a.txt one", "do: commit one")
    team.until(session, "pr_open")
    say(team, session, checks=[["lint", "failed", "step 3: line too long"]])
    team.until(session, "ci_failed")
    eventually(lambda: len(to_mend(team, session, "line too long")) == 1)
    (message,) = to_mend(team, session, "line too long")
    assert message.index("<data") < message.index("line too long")

    team.tell(session, "do: write a.txt two\ndo: commit two")
    team.until(session, "pr_open")
    say(
        team, session, checks=[["lint", "passed", None]], decision="changes_requested",
        comments=[["c1", "ann", "Say three.", "a.txt", 1]],
    )  # fmt: skip
    team.until(session, "changes_requested")
    eventually(lambda: len(to_mend(team, session, "Say three.")) == 1)
    assert "1. a.txt:1 ann: Say three." in to_mend(team, session, "Say three.")[0]
    team.tell(session, "do: say once more")  # they are looked at again, and say the same
    team.until_so(session, lambda now: now["state"] == "idle")

    say(team, session, checks=[["lint", "passed", None]], decision="approved", mergeable=True)
    team.until_so(session, lambda now: (now["status"], now["attention"]) == ("mergeable", "lead"))
    assert len(to_mend(team, session, "Say three.")) == 1
    kinds = [line.split(" ")[2] for line in team.journal()]
    told = [kind for kind in kinds if kind.split(".")[0] in ("ci", "review", "merge")]
    assert told == [
        "ci.failing", "ci.fix_sent", "ci.passing", "review.changes_requested",
        "review.comments_sent", "review.approved", "merge.ready",
    ]  # fmt: skip


def test_the_journal_tells_of_the_engines_end(team: Team) -> None:
    team.call("stop")
    eventually(lambda: team.running_pid() is None)
    kinds = [line.split(" ")[2] for line in team.journal()]
    assert kinds.index("engine.stopped") < kinds.index("engine.started", 1)
