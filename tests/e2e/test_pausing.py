"""Workers at a standstill: because somebody says so, for their budget, for their quota."""

from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import AoError
from team import CONFIG, PLAIN, PROTOCOL, PROTOCOL_FILES, PTY, Kind, Team, eventually

DRIVES = (PLAIN, PROTOCOL_FILES, PTY)
_GO_ON = "You were interrupted."
each = pytest.mark.parametrize("kind", DRIVES, ids=str)
both = pytest.mark.parametrize("kind", [PLAIN, PROTOCOL], ids=str)


def at_work(team: Team, session: str) -> dict[str, Any]:
    return team.until_so(session, lambda now: now["activity"] == "active")


def at_rest(team: Team, session: str) -> dict[str, Any]:
    return team.until_so(session, lambda now: now["state"] == "idle")


def paused(team: Team, session: str, why: str) -> dict[str, Any]:
    return team.until_so(session, lambda now: (now["paused"] or "").startswith(why))


def told_to_go_on(team: Team, session: str) -> int:
    return sum(1 for text in team.heard(session) if _GO_ON in text)


def of(team: Team, prefix: str) -> list[str]:
    kinds = [line.split(" ")[2] for line in team.journal()]
    return [kind for kind in kinds if kind.startswith(prefix)]


@each
def test_a_pause_ends_the_turn_holds_messages_outlives_the_engine_and_is_taken_back(
    team: Team,
) -> None:
    session = team.spawn("do: sleep 600", "do: write never.txt <<a>>")
    path = Path(at_work(team, session)["path"])
    done = team.call("pause", sessions=[session])
    assert done["sessions"][0]["changed"]
    assert done["sessions"][0]["paused"].startswith("asked since ")
    at_rest(team, session)
    sent = team.call("send", session=session, message="do: write after.txt <<b>>")
    assert (sent["state"], sent["reason"]) == ("queued", "the session is paused: asked")
    assert not team.call("pause", sessions=[session])["sessions"][0]["changed"]

    team.kill_engine()
    shown = team.call("show", session=session)
    assert shown["paused"].startswith("asked since ")
    assert [one["state"] for one in shown["messages"]][-1] == "queued"
    assert not (path / "after.txt").exists()

    resumed = team.call("resume", sessions=[session])["sessions"][0]
    assert (resumed["changed"], resumed["paused"]) == (True, None)
    eventually(lambda: (path / "after.txt").exists())
    eventually(lambda: told_to_go_on(team, session) == 1)
    assert not team.call("resume", sessions=[session])["sessions"][0]["changed"]
    at_rest(team, session)
    assert told_to_go_on(team, session) == 1
    assert not (path / "never.txt").exists()
    assert of(team, "session.paused") == ["session.paused"]
    assert of(team, "session.resumed") == ["session.resumed"]


@both
def test_one_that_rests_is_told_nothing_more_when_it_goes_on(team: Team) -> None:
    session = team.spawn("do: say hi")
    at_rest(team, session)
    team.call("pause", sessions=[session])
    team.call("resume", sessions=[session])
    team.tell(session, "do: say more")
    assert told_to_go_on(team, session) == 0


@both
def test_a_key_pauses_and_resumes_once(team: Team) -> None:
    session = team.spawn("do: say hi")
    at_rest(team, session)
    for _ in range(2):
        team.call("pause", sessions=[session], key="p")
    team.call("resume", sessions=[session], key="r")
    team.call("pause", sessions=[session], key="p")  # a repetition, not another wish
    assert team.call("show", session=session)["paused"] is None
    team.call("pause", sessions=[session])
    team.call("resume", sessions=[session], key="r")
    assert team.call("show", session=session)["paused"] is not None


@each
def test_the_emergency_brake_stops_all_starts_none_and_outlives_the_engine(team: Team) -> None:
    sessions = [team.spawn("do: sleep 600") for _ in range(2)]
    for session in sessions:
        at_work(team, session)
    done = team.call("pause", all=True)
    assert (len(done["sessions"]), done["starts"]) == (2, False)
    for session in sessions:
        at_rest(team, session)
    team.kill_engine()
    with pytest.raises(AoError, match="All workers are paused") as refused:
        team.spawn("do: say hi")
    assert "resume --all" in str(refused.value.hint)
    assert len(team.call("list")["sessions"]) == 2
    done = team.call("resume", all=True)
    assert done["starts"]
    assert [one["changed"] for one in done["sessions"]] == [True, True]
    for session in sessions:
        eventually(lambda one=session: told_to_go_on(team, one) == 1)
    at_rest(team, team.spawn("do: say hi"))


@both
def test_a_budget_of_seconds_pauses_asks_and_can_be_raised(team: Team) -> None:
    session = team.spawn("do: sleep 600", budget={"minutes": 0.05})
    shown = paused(team, session, "budget")
    assert (shown["attention"], shown["why"]) == (
        "lead",
        "its budget is used up: " + shown["budget"],
    )
    assert of(team, "budget.") == ["budget.near", "budget.reached"]
    at_rest(team, session)
    with pytest.raises(AoError, match="has used up its budget"):
        team.call("resume", sessions=[session])
    before = team.call("show", session=session)["minutes"]
    team.kill_engine()
    assert team.call("show", session=session)["minutes"] == before
    team.call("resume", sessions=[session], budget={"minutes": 5})
    eventually(lambda: told_to_go_on(team, session) == 1)
    assert at_rest(team, session)["budget"].endswith("of 5 min")


@both
def test_tokens_and_cost_count_where_the_agent_tells(team: Team) -> None:
    reply = team.call("spawn", prompt="do: spend 0.25 900", budget={"tokens": 1000, "cost": 9})
    session = reply["session"]
    assert reply["warnings"] == []
    shown = team.until_so(session, lambda now: now["cost_usd"] == 0.25 and now["state"] == "idle")
    eventually(lambda: of(team, "budget.") == ["budget.near"])
    assert shown["paused"] is None
    team.tell(session, "do: spend 0.25 900")
    assert "of 1000 tokens" in paused(team, session, "budget")["paused"]


@both
def test_a_used_up_quota_pauses_until_it_is_back(team: Team) -> None:
    session = team.spawn("do: quota 4")
    shown = paused(team, session, "quota")
    assert ", until " in shown["paused"]
    assert shown["attention"] == "none"
    sent = team.call("send", session=session, message="do: say back")
    assert sent["state"] == "queued"
    assert "paused: quota until" in sent["reason"]
    team.until_so(session, lambda now: now["paused"] is None)
    at_rest(team, session)
    eventually(lambda: told_to_go_on(team, session) == 1)
    assert "do: say back" in "".join(team.heard(session))
    assert of(team, "quota.") == ["quota.exhausted"]
    assert of(team, "reaction.") == []


@both
def test_a_quota_that_comes_back_nobody_knows_when_is_asked_about(team: Team) -> None:
    session = team.spawn("do: quota")
    shown = paused(team, session, "quota")
    assert shown["attention"] == "lead"
    assert "You've hit your usage limit." in shown["why"]
    team.call("resume", sessions=[session])
    eventually(lambda: told_to_go_on(team, session) == 1)
    assert team.call("show", session=session)["paused"] is None


@both
def test_a_lead_lets_one_go_on_by_restore_and_gives_it_more(team: Team) -> None:
    session = team.spawn("do: sleep 600", budget={"minutes": 0.05})
    paused(team, session, "budget")
    with pytest.raises(AoError, match="has used up its budget") as refused:
        team.call("restore", session=session)
    assert "`restore` it with a larger `budget`" in str(refused.value.hint)
    for _ in range(2):
        back = team.call("restore", session=session, budget={"minutes": 5}, key="more")
        assert back["generation"] == 1
    eventually(lambda: told_to_go_on(team, session) == 1)
    at_rest(team, session)
    team.call("pause", sessions=[session])
    team.call("restore", session=session, budget={"minutes": 5}, key="more")
    assert team.call("show", session=session)["paused"] is not None
    team.call("kill", session=session)
    assert team.call("restore", session=session)["generation"] == 2
    shown = team.call("show", session=session)
    assert (shown["paused"], shown["budget"].endswith("of 5 min")) == (None, True)


class TestCeiling:
    """What all together may use."""

    @pytest.fixture
    def team(self, team: Team) -> Team:
        team.home.mkdir(mode=0o700, exist_ok=True)
        with (team.home / "config.yaml").open("a") as file:
            file.write("budget: {cost: 1}\n")
        return team

    def test_it_pauses_all_and_starts_no_more(self, team: Team) -> None:
        one, other = team.spawn("do: spend 0.60"), team.spawn("do: spend 0.60", "do: sleep 600")
        for session in (one, other):
            assert "all workers together: 1.2 of 1 USD" in paused(team, session, "budget")["paused"]
        with pytest.raises(AoError, match="what all together may use"):
            team.spawn("do: say hi")
        with pytest.raises(AoError, match="what all together may use"):
            team.call("resume", sessions=[one])


class TestProject:
    """What a project's configuration allows each worker."""

    @pytest.fixture
    def repository(self, tmp_path: Path, kind: Kind) -> Path:
        budget = CONFIG.replace("    agent:", "    budget: {minutes: 0.03, tokens: 10}\n    agent:")
        text = kind.project(budget) + "      usage: false\n"
        return Team.new_repository(tmp_path / "sample", text)

    def test_it_holds_unless_the_call_says_otherwise(self, team: Team) -> None:
        reply = team.call("spawn", prompt="do: sleep 600")
        (warning,) = reply["warnings"]
        assert "does not tell its tokens in a terminal" in warning
        paused(team, reply["session"], "budget")
        other = team.call("spawn", prompt="do: say hi", budget={"minutes": 5, "tokens": 50})
        assert at_rest(team, other["session"])["budget"].endswith("of 5 min, unknown of 50 tokens")
