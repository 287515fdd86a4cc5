"""From two issues to merged work, both in each other's way; and that nothing is twice."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from e2e.forge import Forge
from e2e.hosts import APP
from team import git

_LOG = [*(f"line {number}" for number in range(90)), "too long"]
NOT_NOW = "left_out"  # it may just have been told something, and be at it
WENT = ("landed", "already")  # already: by the engine that was killed


@dataclass
class Story:
    """Two workers whose work conflicts. `name` tells it from others in the same repository."""

    forge: Forge
    name: str = "one"
    issues: dict[str, str] = field(default_factory=dict[str, str])  # by session

    @property
    def file(self) -> str:
        """What both of them write."""
        return f"{self.name}.txt"

    def run(self, *, together: bool = False) -> tuple[str, str]:
        """All of it; `together`: both are merged in one call."""
        first, second = self.begins("first"), self.begins("second")
        self.fails(first)
        self.is_reviewed(first)
        self.forge.approved(first, second)
        self.lands_and_conflicts(first, second, together=together)
        self.is_resolved(second)
        self.forge.approved(second)
        self.lands(second)
        return first, second

    def begins(self, word: str) -> str:
        """A worker on an issue, told of in a comment."""
        forge, title = self.forge, f"Say {self.name} {word}"
        issue = forge.do("create_issue", title=title, body="In one line.")["issue"]
        forge.do("update_issue", issue=issue, comment=f"{title}: begun.")
        listed = {one["issue"]: one["title"] for one in forge.team.sure("list_issues")["issues"]}
        assert listed[issue] == title
        script = (f"do: write {self.file} {word}", f"do: commit {word}")
        session = forge.spawn(*script, issue=issue.removeprefix("#"))
        self.issues[session] = issue.removeprefix("#")
        assert title in forge.team.heard(session)[0]
        return session

    def fails(self, session: str) -> None:
        """A check fails; the worker is told why, and mends it."""
        forge = self.forge
        forge.host.fails(forge.pull(session), _LOG)
        forge.look(session)
        forge.team.until(session, "ci_failed")
        told = forge.told(session, "too long")
        assert all(word in told for word in forge.host.blamed), told
        assert told.index("<data") < told.index("line 89") < told.index("too long")
        assert "line 1\n" not in told
        forge.pushes(session, f"do: write {self.file} mended", "do: commit mended")
        forge.host.passes(forge.pull(session))

    def is_reviewed(self, session: str) -> None:
        """A person asks for a change; the worker is told which, and makes it."""
        forge, pull = self.forge, self.forge.pull(session)
        thread = forge.host.refuses(pull, self.file, "Say three.")
        forge.look(session)
        forge.team.until(session, "changes_requested")
        told = forge.told(session, "Say three.")
        assert f"{self.file}:1" in told
        assert thread in told
        forge.pushes(session, f"do: write {self.file} three", "do: commit three")
        forge.host.settles(pull, thread)

    def lands_and_conflicts(self, first: str, second: str, *, together: bool = False) -> None:
        """The first is merged, and is in the way of the second."""
        named = (first, second) if together else (first,)
        members = {one["session"]: one for one in self.forge.merge(*named)["members"]}
        assert members[first]["outcome"] in WENT, members
        found = members.get(second, {"outcome": NOT_NOW})
        found = self._tried(second) if found["outcome"] == NOT_NOW else found
        for one in (found, self._tried(second, update_only=True)):
            assert (one["outcome"], one["files"]) == ("conflict", [self.file]), one
        assert self.file in self.forge.told(second, "origin/main")

    def _tried(self, session: str, **how: bool) -> dict[str, Any]:
        """What comes of it between its turns."""
        while True:
            (member,) = self.forge.do("merge", session=session, **how)["members"]
            if member["outcome"] != NOT_NOW:
                return member
            self.forge.team.until_so(session, lambda now: now["state"] == "idle")

    def is_resolved(self, session: str) -> None:
        """The worker merges what is in its way, by commands."""
        self.forge.pushes(
            session, "do: run git fetch -q origin", "do: run git merge -q origin/main",
            f"do: write {self.file} both", "do: commit both",
        )  # fmt: skip

    def lands(self, session: str) -> dict[str, Any]:
        """It is merged."""
        (member,) = self.forge.merge(session)["members"]
        assert member["outcome"] in WENT, member
        self.forge.team.until(session, "merged")
        return member

    # -- what came of it ---------------------------------------------------------------------------

    def is_whole(self, first: str, second: str) -> None:
        """All of it arrived, and nothing of it twice."""
        assert self.forge.on_main(self.file) == "both"
        assert not [line for line in self.forge.team.journal() if "host.slow" in line]
        for session in (first, second):
            self._happened_once(session)
            self._closed(session)
        self._heard(first, "too long", "Say three.")
        self._heard(second, "origin/main")

    def _closed(self, session: str) -> None:
        at, number = self.forge.world.named(APP), self.issues[session]
        issue = self.forge.host.issue(number)
        assert issue.state == "closed"
        assert self.forge.host.words(issue) == [f"{issue.title}: begun."]
        listed = self.forge.team.sure("list_issues")["issues"]
        assert number not in [one["issue"].removeprefix("#") for one in listed]
        assert [one.title for one in at.issues.values()].count(issue.title) == 1

    def _happened_once(self, session: str) -> None:
        pull, host = self.forge.pull(session), self.forge.host
        assert set(host.words(pull)) <= {"Say three."}
        told = ("log", "--merges", "--first-parent", "--format=%P", "main")
        assert sum(host.head(pull) in line for line in git(host.bare, *told).splitlines()) == 1
        journal = self.forge.team.sure("events", session=session, limit=1_000)["lines"]
        told = Counter(line.split(" ")[2] for line in journal)
        assert (told["merge.completed"], told["pr.merged"], told["pr.created"]) == (1, 1, 1), told

    def _heard(self, session: str, *words: str) -> None:
        """What others said, once each, and apart from it only what the lead said."""
        said = self.forge.team.heard(session)
        assert len(said) == len(set(said))
        by_others = [one for one in said if "do: " not in one]
        assert len(by_others) == len(words), by_others
        for word in words:
            assert sum(word in one for one in by_others) == 1, by_others
