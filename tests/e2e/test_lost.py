"""What is lost, moved or switched by hand, and a machine that was started anew."""

import json
import re
import shutil
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest

from ao_core.clock import SystemClock
from ao_core.errors import AoError
from ao_core.store.contract import Put
from ao_core.store.records import SESSION
from ao_core.store.sqlite import SqliteStore
from team import PLAIN, PROTOCOL, PTY, Kind, Team, eventually, git, lasting

HELD = pytest.mark.parametrize("kind", [PLAIN, PROTOCOL, PTY], ids=str)
BOTH = pytest.mark.parametrize("kind", [PLAIN, PROTOCOL], ids=str)


def asking(team: Team, *before: str) -> dict[str, Any]:
    """A worker that waits for an answer."""
    return team.until(team.spawn(*before, "do: ask Go on?"), "needs_input")


def resting(team: Team) -> dict[str, Any]:
    """A worker whose turn has ended."""
    return team.until(team.spawn("do: write kept.txt kept", "do: say ready"), "idle")


def why(team: Team, session: str, words: str) -> dict[str, Any]:
    team.nudge(session)
    return team.until_so(session, lambda shown: words in shown["why"])


def told(team: Team, words: str) -> bool:
    return any(words in line for line in team.journal())


# -- the work tree and its branch -----------------------------------------------------------------


@BOTH
def test_a_removed_work_tree_is_told_with_its_remedy_which_helps(team: Team, kind: Kind) -> None:
    shown = asking(team)
    session, path = shown["session"], Path(shown["path"])
    shutil.rmtree(path)
    if kind == PROTOCOL:  # without it, the engine's timer finds out
        team.nudge(session)
    shown = team.until_so(session, lambda shown: "its work tree was removed" in shown["why"])
    assert (shown["status"], shown["attention"], shown["runtime"]) == ("stuck", "lead", "alive")
    assert "`restore`" in shown["hint"]
    assert told(team, "workspace.astray")
    team.call("kill", session=session)
    team.call("restore", session=session)
    shown = team.until_so(session, lambda shown: shown["status"] in ("needs_input", "idle"))
    assert (path / "README.md").exists()
    assert shown["hint"] is None


@BOTH
@pytest.mark.parametrize("by_git", [True, False], ids=["git", "mv"])
def test_a_moved_work_tree_is_found_and_what_is_in_it_is_left_alone(
    team: Team, kind: Kind, by_git: bool
) -> None:
    shown = resting(team)
    session, path = shown["session"], Path(shown["path"])
    there = path.with_name("elsewhere")
    if by_git:
        git(team.repository, "worktree", "move", "-f", "-f", str(path), str(there))
    else:
        path.rename(there)
    shown = why(team, session, "its work tree was moved to")
    assert (shown["status"], shown["attention"]) == ("idle", "lead")
    assert f"git worktree move -f -f {there} {path}" in shown["hint"]
    killed = team.call("kill", session=session)
    assert not killed["workspace_removed"]
    assert str(there) in killed["kept_because"]
    assert (there / "kept.txt").read_text() == "kept\n"
    saved = git(team.repository, "show", f"{killed['salvage']}:kept.txt")
    assert saved == "kept"
    if by_git:
        with pytest.raises(AoError) as refused:
            team.call("restore", session=session)
        assert "git worktree move" in (refused.value.hint or "")
        git(team.repository, "worktree", "move", "-f", "-f", str(there), str(path))
        team.call("restore", session=session)
        assert (path / "kept.txt").read_text() == "kept\n"


def test_a_switched_branch_is_told_until_it_is_the_right_one_again(team: Team) -> None:
    shown = resting(team)
    session, path = shown["session"], Path(shown["path"])
    git(path, "switch", "-q", "-c", "other")
    shown = why(team, session, "it works on other instead of")
    assert (shown["status"], shown["attention"]) == ("idle", "lead")
    assert f"git switch {shown['branch']}" in shown["hint"]
    git(path, "switch", "-q", shown["branch"])
    team.nudge(session)
    assert team.until_so(session, lambda shown: "other" not in shown["why"])["hint"] is None
    assert told(team, "workspace.found")


def test_a_deleted_branch_is_told_and_comes_back_by_its_remedy(team: Team) -> None:
    shown = resting(team)
    session, branch = shown["session"], shown["branch"]
    head = git(team.repository, "rev-parse", branch)
    git(team.repository, "update-ref", "-d", f"refs/heads/{branch}")
    shown = why(team, session, f"its branch {branch} was deleted")
    assert f"`git branch {branch} {head}`" in shown["hint"]
    git(team.repository, "update-ref", f"refs/heads/{branch}", head)
    team.nudge(session)
    team.until_so(session, lambda shown: shown["hint"] is None)


# -- the configuration ----------------------------------------------------------------------------


def broken(text: str) -> str:
    return text + "\nnonsense: [\n"


def untrusted(text: str) -> str:
    return text.replace("    agent:", "    gates: [{name: t, command: ['true']}]\n    agent:", 1)


@pytest.mark.parametrize("edit", [broken, untrusted])
def test_what_runs_is_seen_and_ended_though_its_configuration_cannot_be_used_any_more(
    team: Team, edit: Callable[[str], str]
) -> None:
    first, second = (resting(team)["session"] for _ in range(2))
    file, agent = team.repository / "agent-orchestrator.yaml", team.agent(first)
    sound = file.read_text()
    team.kill_engine()
    file.write_text(edit(sound))
    agent.kill()
    shown = team.until_so(first, lambda shown: shown["status"] == "terminated")
    assert "signal 9" in shown["why"]
    assert told(team, "note=configuration")
    assert team.call("show", session=second)["status"] == "idle"
    assert team.tell(second, "do: say hello")["state"] == "accepted"
    assert team.call("kill", session=second)["status"] == "killed"
    with pytest.raises(AoError, match=r"agent-orchestrator\.yaml"):
        team.spawn("do: say ready")
    file.write_text(sound)
    assert resting(team)["status"] == "idle"


def test_where_a_project_cannot_be_opened_at_all_nobody_is_said_to_be_well(team: Team) -> None:
    session = resting(team)["session"]
    file = team.repository / "agent-orchestrator.yaml"
    sound = file.read_text()
    team.kill_engine()
    for kept in team.home.glob("*/configuration.json"):
        kept.unlink()
    file.write_text(broken(sound))

    def row() -> dict[str, Any]:
        listed = team.call("list", project="sample")["sessions"]
        return next(one for one in listed if one["session"] == session)

    eventually(lambda: told(team, "reason=probe_failure"))
    assert told(team, "is not YAML")
    assert row()["status"] == "detecting"
    file.write_text(sound)
    team.nudge(session)
    eventually(lambda: row()["status"] == "idle")


# -- the machine ----------------------------------------------------------------------------------


async def _from_before(home: Path) -> None:
    """What is on record is from another boot."""
    async with SqliteStore(home / "ao.db", SystemClock()) as store:
        rows = [row async for row in store.scan(SESSION)]
        for row in rows:
            handle = row.value.run.handle
            assert handle is not None
            data = {**dict(handle.data), "boot": "another"}
            handle = replace(handle, data=tuple(data.items()))
            long_ago = datetime(2001, 1, 1, tzinfo=UTC)
            run = replace(row.value.run, handle=handle, observed_at=long_ago)
            await store.commit([Put(SESSION, row.id, replace(row.value, run=run), row.revision)])


def reboot(team: Team) -> None:
    """Everything ends at the same moment, and what is on record is from before."""
    running = team.processes()
    for number in (signal.SIGSTOP, signal.SIGKILL):
        for process in running:
            with suppress(psutil.NoSuchProcess):
                process.send_signal(number)
    assert not lasting(running, 10)
    file = team.home / "running.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "boot": "another"}))
    for meta in team.home.glob("plugins/runtime-process/*/meta"):
        meta.write_text(re.sub("(?m)^boot=.*$", "boot=another", meta.read_text()))
    anyio.run(_from_before, team.home)


@HELD
def test_after_a_reboot_the_team_is_told_true_and_comes_back_as_it_was(
    team: Team, kind: Kind
) -> None:
    asks, rests = asking(team, "do: write kept.txt kept"), resting(team)
    killed, broken = asking(team), asking(team)
    git(Path(broken["path"]), "commit", "-q", "--allow-empty", "-m", "work")
    ids = [one["session"] for one in (asks, rests, broken)]
    team.call("kill", session=killed["session"])
    reboot(team)

    assert team.call("about")["stopped"] == {"sample": ids}  # known before anybody asks
    for id in ids:
        shown = team.call("show", session=id)
        assert (shown["status"], shown["reason"]) == ("killed", "runtime_lost")
        assert shown["why"] == "the machine was started anew; restore it"
        assert "`all`" in shown["hint"]
    assert (Path(asks["path"]) / "kept.txt").read_text() == "kept\n"

    shutil.rmtree(broken["path"])
    head = git(team.repository, "rev-parse", broken["branch"])
    git(team.repository, "update-ref", "-d", f"refs/heads/{broken['branch']}")
    back = {one["session"]: one for one in team.call("restore", all=True)["team"]}
    assert list(back) == ids
    assert [bool(one["error"]) for one in back.values()] == [False, False, True]
    assert head in back[broken["session"]]["hint"]
    if kind == PROTOCOL:  # its question is part of the conversation, and its turn has ended
        assert team.tell(asks["session"], "do: say yes")["state"] == "accepted"
    else:
        team.until(asks["session"], "needs_input")
        assert team.reply(asks["session"], "yes")["state"] == "accepted"
    assert [one.split("\n")[0] for one in team.heard(rests["session"])].count("Do this:") == 1

    git(team.repository, "update-ref", f"refs/heads/{broken['branch']}", head)
    again = team.call("restore", all=True)["team"]  # whoever runs is left alone
    assert [(one["session"], one["error"]) for one in again] == [(broken["session"], None)]
    assert team.call("restore", all=True)["team"] == []
    assert team.call("show", session=killed["session"])["status"] == "killed"


def test_one_session_or_all_has_to_be_said(team: Team) -> None:
    for asked in ({}, {"all": True, "session": "sam-1"}):
        with pytest.raises(AoError, match="One session, or all"):
            team.call("restore", **asked)
