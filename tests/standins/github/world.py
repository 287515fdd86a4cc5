"""The whole host in one object, which a test arranges by plain methods."""

from typing import Literal

from standins.git import GitRefused
from standins.github.pulls import Pulls
from standins.github.records import AutoMerge, MergeMethod, Pull, QueueEntry, Repository, User
from standins.github.state import Refused

MergeState = Literal["BEHIND", "BLOCKED", "CLEAN", "DIRTY", "DRAFT", "UNKNOWN", "UNSTABLE"]
CONFLICT = "Pull Request is not mergeable"
MOVED = "Head branch was modified. Review and try the merge again."
_NO: dict[MergeMethod, str] = {
    "merge": "Merge commits are not allowed on this repository.",
    "squash": "Squash merges are not allowed on this repository.",
    "rebase": "Rebase merges are not allowed on this repository.",
}


class World(Pulls):
    """Merging, and everything below it."""

    def merge(
        self, pull: Pull, method: MergeMethod = "merge", *, sha: str | None = None,
        title: str | None = None, message: str | None = None, by: User | None = None,
    ) -> str:  # fmt: skip
        """Merge it as the host would, or be refused as the host would."""
        self._allowed(pull, method, sha)
        by = by or self.person
        landed = self._joined(pull, method, title, message)
        before = pull.repository.bare.heads()
        pull.repository.bare.point(f"refs/heads/{pull.base}", landed, before[pull.base])
        self.merged(pull, landed, by)
        if pull.repository.delete_merged and not pull.foreign:
            self._gone(pull, by)
        self.pushed(pull.repository, before, by)
        return landed

    def update_branch(
        self, pull: Pull, by: User | None = None, sha: str | None = None, *, rebase: bool = False
    ) -> None:
        """Merge the base into the head, or the head onto the base."""
        base, head = self.tips(pull)
        if sha and sha != head:
            raise Refused(422, "expected head sha didn't match current head ref.")
        if not self.behind(pull):
            raise Refused(422, "There are no new commits on the base branch.")
        if not self.work_out(pull) or not pull.tree or not pull.head_repository:
            raise Refused(422, "merge conflict between base and head")
        at = pull.head_repository
        at.bare.fetch(pull.repository.bare, base, "refs/pull/base") if pull.foreign else None
        into = f"Merge branch '{pull.base}' into {pull.head}"
        before = at.bare.heads()
        tree = at.bare.joined(head, base) or pull.tree
        made = at.bare.replayed(base, head) if rebase else at.bare.record(tree, [head, base], into)
        at.bare.point(f"refs/heads/{pull.head}", made, head)
        self.pushed(at, before, by or self.person)

    def merge_state(self, pull: Pull) -> MergeState:
        """Whether the merge button works, and why not."""
        together = self.mergeable(pull)
        if together is None:
            return "UNKNOWN"
        if not together:
            return "DIRTY"
        if pull.draft:
            return "DRAFT"
        if self.objection(pull):
            return "BLOCKED"
        if self._too_old(pull):
            return "BEHIND"
        said = self.rollup(pull.repository, pull.head_sha)
        return "CLEAN" if said in (None, "SUCCESS") else "UNSTABLE"

    def objection(self, pull: Pull) -> str | None:
        """What its base branch asks for and has not got."""
        asked = pull.repository.protection(pull.base)
        if asked.reviews and self.decision(pull) != "APPROVED":
            needed = f"At least {asked.reviews} approving review is required"
            return f"{needed} by reviewers with write access."
        found = self.verdicts(pull.repository, pull.head_sha)
        for name in asked.checks:
            if (said := found.get(name)) != "SUCCESS":
                word = {"FAILURE": "is failing", "ERROR": "is failing", "PENDING": "is pending"}
                return f'Required status check "{name}" {word.get(str(said), "is expected")}.'
        if asked.conversations and any(not one.resolved_by for one in pull.threads):
            return "A conversation must be resolved before this pull request can be merged."
        return None

    # -- merging later ---------------------------------------------------------------------------

    def merge_when_ready(
        self, pull: Pull, method: MergeMethod, by: User, title: str | None, message: str | None
    ) -> None:
        """Have it merged as soon as nothing stands against it."""
        if not pull.repository.auto_merge_allowed:
            raise Refused(422, "Auto merge is not allowed for this repository")
        self.work_out(pull)
        if (state := self.merge_state(pull)) in ("CLEAN", "UNSTABLE"):
            raise Refused(422, f"Pull request Pull request is in {state.lower()} status")
        pull.auto_merge = AutoMerge(
            enabled_by=by, enabled_at=self.moment(), method=method, title=title, message=message
        )
        self.touched(pull, "auto_merge_enabled", by)

    def enqueue(self, pull: Pull, by: User, jump: bool = False) -> QueueEntry:
        """Give it a place in the merge queue, which `land` serves."""
        at = pull.repository
        if not at.protection(pull.base).queue:
            raise Refused(422, f"No merge queue found for branch '{pull.base}'")
        waiting = [one.queued for one in at.pulls.values() if one.queued]
        for other in waiting if jump else []:
            other.position += 1
        pull.queued = self.kept(QueueEntry(
            id=self.next_id(), pull_request=pull, enqueuer=by, enqueued_at=self.moment(),
            position=1 if jump else len(waiting) + 1,
        ))  # fmt: skip
        self.touched(pull, "enqueued", by)
        return pull.queued

    def land(self, pull: Pull) -> str:
        """The merge queue comes to it."""
        assert pull.queued, "it is in no queue"
        return self.merge(pull, by=pull.queued.enqueuer)

    def heard_of(self, at: Repository, sha: str) -> None:
        for pull in self.open_pulls(repository=at, head_sha=sha):
            wish = pull.auto_merge
            if wish and self.work_out(pull) and self.merge_state(pull) in ("CLEAN", "UNSTABLE"):
                self.merge(
                    pull, wish.method, title=wish.title, message=wish.message, by=wish.enabled_by
                )

    # -- how -------------------------------------------------------------------------------------

    def _allowed(self, pull: Pull, method: MergeMethod, sha: str | None) -> None:
        if pull.state == "closed":
            raise Refused(405, CONFLICT)
        if sha and sha != pull.head_sha:
            raise Refused(409, MOVED)
        if method not in pull.repository.methods:
            raise Refused(405, _NO[method])
        if pull.draft:
            raise Refused(405, "Pull Request is still a draft")
        if not self.work_out(pull):
            raise Refused(405, CONFLICT)
        if pull.repository.protection(pull.base).queue and not pull.queued:
            raise Refused(405, "Changes must be made through the merge queue")
        if reason := self.objection(pull):
            raise Refused(405, reason)
        if self._too_old(pull):
            raise Refused(405, "Head branch is not up to date with the base branch")

    def _gone(self, pull: Pull, by: User) -> None:
        """Where the host itself deletes a branch, what goes into it goes where that went."""
        for above in self.open_pulls(repository=pull.repository, base=pull.head):
            self.retarget(above, pull.base, by)
        pull.repository.bare.drop(f"refs/heads/{pull.head}")

    def _too_old(self, pull: Pull) -> bool:
        return pull.repository.protection(pull.base).up_to_date and self.behind(pull)

    def _joined(self, pull: Pull, method: MergeMethod, title: str | None, body: str | None) -> str:
        bare, (base, head) = pull.repository.bare, self.tips(pull)
        if method == "rebase":
            return self._replayed(pull)
        assert pull.tree
        from_ = f"{pull.head_owner.login}/{pull.head}"
        if method == "squash":
            title = title or f"{pull.title} (#{pull.number})"
            body = body if body is not None else _together(pull)
            return bare.record(pull.tree, [base], f"{title}\n\n{body}".strip())
        title = title or f"Merge pull request #{pull.number} from {from_}"
        body = pull.title if body is None else body
        return bare.record(pull.tree, [base, head], f"{title}\n\n{body}".strip())

    def _replayed(self, pull: Pull) -> str:
        try:
            return pull.repository.bare.replayed(*self.tips(pull))
        except GitRefused:
            raise Refused(405, "This branch can't be rebased") from None


def _together(pull: Pull) -> str:
    """The messages of its commits, as a squashed one quotes them; a single one is its own."""
    said = [one.message for one in pull.repository.bare.commits(pull.base_sha, pull.head_sha)]
    return (
        "\n\n".join(f"* {one}" for one in said)
        if len(said) > 1
        else "".join(said).partition("\n")[2].strip()
    )
