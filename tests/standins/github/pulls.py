"""Pull requests: how they follow their branches, and whether both sides go together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from standins.git import ZERO
from standins.github.records import Pull, Repository, User
from standins.github.reviews import Reviews
from standins.github.state import Refused

_KIND = "PullRequest"


class Pulls(Reviews):
    """A pull request's head is what git says of its branch."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.unknown_for = 1  # so many requests are told that it is not known yet
        self._wondered: set[Pull] = set()

    def pull(
        self, repository: str, head: str, base: str = "main", *, title: str = "work",
        body: str = "", draft: bool = False, author: User | None = None,
        origin: Repository | None = None,
    ) -> Pull:  # fmt: skip
        """A new pull request from a branch that is there; `origin` is the fork that has it."""
        at, by, now = self.named(repository), author or self.person, self.moment()
        source = origin or at
        made = Pull(
            id=self.next_id(), repository=at, number=self.next_number(at), title=title, body=body,
            author=by, created_at=now, updated_at=now, base=base, head=head, draft=draft,
            head_repository=source, head_owner=source.owner,
            head_sha=self._tip(source, head, "head"), base_sha=self._tip(at, base, "base"),
        )  # fmt: skip
        self._new(made)
        at.issues[made.number] = self.kept(made)
        self._show(made)
        self.tell("pull_request", "opened", at, by, pull_request=made)
        return made

    def ready(self, pull: Pull, by: User | None = None) -> None:
        """It is a draft no longer."""
        if pull.draft:
            pull.draft = False
            self.touched(pull, "ready_for_review", by or self.person)

    def unready(self, pull: Pull, by: User | None = None) -> None:
        """It is a draft again."""
        if not pull.draft:
            pull.draft = True
            self.touched(pull, "converted_to_draft", by or self.person)

    def retarget(self, pull: Pull, base: str, by: User | None = None) -> None:
        """Have it merged into another branch."""
        pull.base_sha, pull.base = self._tip(pull.repository, base, "base"), base
        self.touched(pull, "edited", by or self.person)

    # -- whether both go together ----------------------------------------------------------------

    def mergeable(self, pull: Pull) -> bool | None:
        """As the host: not known to the first who asks, who has it worked out for the next."""
        if pull.state == "closed":
            return None
        if pull.worked_out == self.tips(pull):
            return pull.tree is not None
        self._wondered.add(pull)
        return None

    def between_requests(self) -> None:
        """What the host does when it was asked what it did not know."""
        for pull in self._wondered:
            pull.asked_after += 1
            if pull.asked_after >= self.unknown_for:
                self.work_out(pull)
        self._wondered.clear()

    def work_out(self, pull: Pull) -> bool:
        """Whether git can join both branches as they are now."""
        base, head = self.tips(pull)
        bare = pull.repository.bare
        pull.tree, pull.worked_out, pull.asked_after = bare.joined(base, head), (base, head), 0
        if pull.tree:
            pull.merge_sha = bare.record(pull.tree, [base, head], f"Merge {head} into {base}")
            bare.point(f"refs/pull/{pull.number}/merge", pull.merge_sha)
        return pull.tree is not None

    def tips(self, pull: Pull) -> tuple[str, str]:
        """Where both branches are now."""
        return pull.repository.bare.find(f"refs/heads/{pull.base}") or pull.base_sha, pull.head_sha

    def behind(self, pull: Pull) -> bool:
        """Whether the base has commits that the head has not."""
        base, head = self.tips(pull)
        return not pull.repository.bare.holds(head, base)

    # -- following the branches ------------------------------------------------------------------

    def pushed(self, repository: Repository, before: Mapping[str, str], by: User) -> None:
        after = repository.bare.heads()
        for branch in dict.fromkeys([*before, *after]):
            was, now = before.get(branch), after.get(branch)
            if was != now:
                self._moved(repository, branch, was, now, by)

    def open_pulls(self, **alike: Any) -> list[Pull]:
        """The open ones of all repositories of which this is true."""
        every = [pull for at in self.repositories.values() for pull in at.pulls.values()]
        return [
            pull
            for pull in every
            if pull.state == "open"
            and all(getattr(pull, name) == value for name, value in alike.items())
        ]

    def _moved(
        self, at: Repository, branch: str, was: str | None, now: str | None, by: User
    ) -> None:
        told = {"ref": f"refs/heads/{branch}", "before": was or ZERO, "after": now or ZERO}
        self.tell("push", None, at, by, push=told)
        for pull in self.open_pulls(head_repository=at, head=branch):
            self._follow(pull, now, by)
        for pull in self.open_pulls(repository=at, base=branch):
            self._rebased(pull, now, by)

    def _follow(self, pull: Pull, now: str | None, by: User) -> None:
        """Its head moved, or is gone."""
        if now is None:
            self.close(pull, by)
            return
        was, pull.head_sha = pull.head_sha, now
        pull.base_sha = self.tips(pull)[0]
        self._show(pull)
        self.touched(pull, "synchronize", by, before=was, after=now)
        self.heard_of(pull.repository, now)

    def _rebased(self, pull: Pull, now: str | None, by: User) -> None:
        """Its base moved, or is gone."""
        if now is None:
            self.close(pull, by)
        elif pull.repository.bare.holds(now, pull.head_sha):
            self.merged(pull, now, by)

    def merged(self, pull: Pull, sha: str, by: User) -> None:
        """Its commits are in the base."""
        pull.merged_at, pull.merged_by, pull.merge_sha = self.moment(), by, sha
        pull.auto_merge = pull.queued = None
        self.close(pull, by)
        if pull.base == pull.repository.default_branch:
            self.close_named(pull.body, pull.repository, by)

    # -- what is refused -------------------------------------------------------------------------

    def _new(self, made: Pull) -> None:
        alike = {"repository": made.repository, "base": made.base, "head": made.head}
        if self.open_pulls(head_repository=made.head_repository, **alike):
            raise invalid(
                message=f"A pull request already exists for {made.head_owner.login}:{made.head}."
            )
        self._fetch(made)
        if made.repository.bare.holds(made.base_sha, made.head_sha):
            raise invalid(message=f"No commits between {made.base} and {made.head}")

    def _tip(self, at: Repository, branch: str, field: str) -> str:
        if found := at.bare.find(f"refs/heads/{branch}"):
            return found
        raise invalid(field=field, code="invalid")

    def _fetch(self, pull: Pull) -> None:
        if pull.head_repository and pull.foreign:
            ref = f"refs/pull/{pull.number}/head"
            pull.repository.bare.fetch(pull.head_repository.bare, pull.head_sha, ref)

    def _show(self, pull: Pull) -> None:
        """Have its head to be fetched by its number."""
        self._fetch(pull)
        pull.repository.bare.point(f"refs/pull/{pull.number}/head", pull.head_sha)


def invalid(**said: str) -> Refused:
    """What is asked for cannot be, and why."""
    return Refused(422, "Validation Failed", {"resource": _KIND, "code": "custom", **said})
