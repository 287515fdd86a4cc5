"""What has to be so once a client has led: looked up in git, in the journal and among processes.

Each check raises `AssertionError` with what is not so. What client or model say of it counts only
where that is the matter: that news came, that an error was told, that the end was shown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from clients.leading import FINAL, REPLY
from clients.play import Played
from team import git

Check: TypeAlias = Callable[[Played], None]
MADE = {"colour.txt": REPLY, "shape.txt": "round"}


def delegates(played: Played) -> None:
    """Two sessions, one for each issue; books and world agree; the model was well asked."""
    issues = sorted(str(one.issue) for one in played.seen.sessions.values())
    assert issues == ["1", "2"], f"the sessions are on the issues {issues}"
    assert not played.faults, "; ".join(played.faults)
    assert not played.model.refused, f"the model refused {played.model.refused}"


def waits(played: Played) -> None:
    """Its last wait brought news."""
    told = [one for one in played.model.heard if one.call.tool == "wait" and one.error is None]
    assert any(one.reply["reached"] for one in told), "no wait brought news"


def answers(played: Played) -> None:
    """One message in all, and it is the answer."""
    told = [one.body for one in played.seen.messages.values()]
    assert told == [REPLY], f"the workers were told {told}"


def merges(played: Played) -> None:
    """Both works are on `main` by one merge each, with the answer in it; and the client said so."""
    repository = played.stage.team.repository
    assert played.model.last == FINAL, played.model.last
    for name, text in MADE.items():
        assert git(repository, "show", f"main:{name}") == text, f"{name} is not as it was made"
    count = git(repository, "rev-list", "--merges", "--count", "main")
    assert count == "2", f"{count} merges are on main"
    assert FINAL in played.output, "the client did not show the last words"


def outlives_a_kill_in(tool: str) -> Check:
    """It was told of the kill, called again, and kept its `ao-mcp`; and all of it is there once."""

    def holds(played: Played) -> None:
        killer = played.killer
        assert killer is not None, "nobody was killed"
        assert killer.fault is None, f"the kill went wrong: {killer.fault!r}"
        codes = [one["code"] for one in played.model.errors(tool)]
        assert "engine_restarted" in codes, f"{tool} was not cut short, but was told {codes}"
        assert killer.kept, "the client started another ao-mcp"
        for check in (delegates, waits, answers, merges):
            check(played)

    return holds


def agrees_to_nothing(played: Played) -> None:
    """Where a person has to agree to a merge and nobody is there, it says neither yes nor no."""
    last = played.model.heard[-1]
    assert last.call.tool == "merge", f"it did not come to a merge: {last}"
    assert last.error is not None, "it agreed by itself"
    said = str(last.error["message"])
    assert said.endswith("your client cannot ask one."), f"it was taken at its word: {said}"
    merged = git(played.stage.team.repository, "rev-list", "--merges", "--count", "main")
    assert merged == "0", f"{merged} merges are on main"


@dataclass(frozen=True, slots=True)
class Story:
    """One run of a client, and the columns of the table that it fills."""

    checks: Mapping[str, Check]
    confirm: str = "ask"
    killed: bool = False


LEADS = Story({"delegates": delegates, "waits": waits, "answers": answers, "merges": merges})
KILLED = Story(
    {
        "engine killed in `wait`": outlives_a_kill_in("wait"),
        "engine killed in `spawn`": outlives_a_kill_in("spawn"),
    },
    killed=True,
)
ASKED = Story({"agrees to nothing by itself": agrees_to_nothing}, confirm="require")
STORIES: Mapping[str, Story] = {"leads": LEADS, "killed": KILLED, "asked": ASKED}
COLUMNS = tuple(column for story in STORIES.values() for column in story.checks)
