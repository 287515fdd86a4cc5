"""The whole host in one object, which a test arranges by plain methods."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from standins.git import GitRefused
from standins.gitlab.merge_requests import MergeRequests
from standins.gitlab.records import DEVELOPER, Discussion, Due, MergeRequest, Project, User, Wish
from standins.gitlab.state import Refused
from standins.gitlab.things import ACTIVE

NOT_ALLOWED = "405 Method Not Allowed"
CANNOT = "Branch cannot be merged"
CONFLICT = "Rebase failed: Rebase locally, resolve all conflicts, then push the branch."
_OF_GIT = {"conflict", "need_rebase"}
# what auto-merge does not wait for, since it does not come by waiting
_NEVER = {"not_open", "commits_status", *_OF_GIT}


class World(MergeRequests):
    """Merging, and everything below it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.rebasing_for = 1  # so many looks at it are told that it is being rebased
        self.kept: dict[str, Any] = {}  # what lists have told, which they tell again for hours
        self.merging_fails = False  # whether merging goes wrong when all was in order

    # -- whether it may be merged ----------------------------------------------------------------

    def detailed_status(self, one: MergeRequest) -> str:
        """As the host: the first thing that stands against it, or that it is not known yet."""
        if one.state != "opened":
            return "not_open"
        if one.prepared_at is None:
            return "preparing"
        if not self.known(one):
            return self.merge_status(one)
        return next(self._objections(one), "mergeable")

    def _objections(self, one: MergeRequest) -> Iterator[str]:
        if one.state != "opened":
            yield "not_open"
        if one.draft:
            yield "draft_status"
        if self.has_nothing(one):
            yield "commits_status"
        if one.project.discussions_must_be_resolved and self.unresolved(one):
            yield "discussions_not_resolved"
        if one.changes_requested and one.project.tier != "free":
            yield "requested_changes"
        if self.approvals_left(one):
            yield "not_approved"
        if one.tree is None:
            yield "conflict"
        if one.project.merge_method != "merge" and self.behind(one):
            yield "need_rebase"
        yield from self._of_pipeline(one)

    def unresolved(self, one: MergeRequest) -> bool:
        return any(discussion.open for discussion in one.discussions)

    def _of_pipeline(self, one: MergeRequest) -> Iterator[str]:
        if not one.project.pipeline_must_succeed:
            return
        run = self.head_pipeline(one)
        status = self.status(run) if run else None
        if status in ACTIVE:
            yield "ci_still_running"
        elif status != "success" and not (status == "skipped" and one.project.skipped_will_do):
            yield "ci_must_pass"

    # -- merging ---------------------------------------------------------------------------------

    def may_merge(self, one: MergeRequest, user: User) -> bool:
        return one.project.members.get(user, 0) >= one.project.merge_level

    def merge(self, one: MergeRequest, wish: Wish | None = None, sha: str | None = None) -> None:
        """Merge it as the host would, or be refused as the host would."""
        wish = wish or Wish(by=self.person)
        self._allowed(one, wish.by, sha)
        self._merge(one, wish)

    def merge_when_ready(self, one: MergeRequest, wish: Wish, sha: str | None = None) -> None:
        """Have it merged as soon as it can; at once only where a pipeline has passed."""
        if not self.may_merge(one, wish.by):
            raise Refused(401, "401 Unauthorized")
        run = self.head_pipeline(one)
        if not self._waits(one):
            if run is None or self.status(run) != "success":
                raise Refused(405, NOT_ALLOWED)
            self.merge(one, wish, sha)
            return
        self._is_at(one, sha)
        one.auto_merge = wish
        self.touched(one, "update", wish.by)

    def _waits(self, one: MergeRequest) -> bool:
        """Whether there is anything to wait for that comes by waiting."""
        self.work_out(one)
        against, run = set(self._objections(one)), self.head_pipeline(one)
        runs = run is not None and self.status(run) in ACTIVE
        ready = one.prepared_at is not None and not one.project.merge_trains
        return ready and bool(against or runs) and not against & _NEVER

    def _merge(self, one: MergeRequest, wish: Wish) -> None:
        if self.merging_fails:
            one.merge_error = "Something went wrong during merge"
            raise Refused(422, CANNOT)
        before = one.project.bare.heads()
        landed = self._joined(one, wish)
        one.project.bare.point(f"refs/heads/{one.target_branch}", landed, before[one.target_branch])
        self.merged(one, wish.by)
        remove = one.remove_source if wish.remove_source is None else wish.remove_source
        if remove:
            self._retarget_those_into(one)
            one.source.bare.drop(f"refs/heads/{one.source_branch}")
        self.pushed(one.project, before, wish.by)

    def heard_of(self, at: Project, sha: str) -> None:
        for one in self.open_merge_requests(sha=sha):
            if at not in (one.project, one.source):
                continue
            run = self.head_pipeline(one)
            if one.auto_merge and not (run and self.status(run) != "success"):
                self.work_out(one)
                if not any(self._objections(one)):
                    self._merge(one, one.auto_merge)

    def edited(self, one: MergeRequest) -> None:
        """It may be ready now for what it waits for."""
        self.heard_of(one.project, one.sha)

    def resolve(self, discussion: Discussion, by: User | None = None, done: bool = True) -> None:
        super().resolve(discussion, by, done)
        if isinstance(discussion.about, MergeRequest):
            self.edited(discussion.about)

    # -- trains ----------------------------------------------------------------------------------

    def board(self, one: MergeRequest, by: User, sha: str | None = None) -> None:
        """Give it a place on the merge train, which `land` brings in."""
        if one.train:
            raise Refused(400, "Merge request is already on the merge train")
        self._allowed(one, by, sha)
        now = self.moment()
        one.train = {"id": self.next_id(), "created_at": now, "user": by, "status": "fresh"}

    def land(self, one: MergeRequest) -> None:
        """The merge train comes to it."""
        assert one.train, "it is on no train"
        self.merge(one, Wish(by=one.train["user"]))

    # -- rebasing --------------------------------------------------------------------------------

    def rebase(self, one: MergeRequest, by: User | None = None) -> None:
        """Begin to put its commits onto the target as it is now."""
        by = by or self.person
        if one.source.members.get(by, 0) < DEVELOPER:
            raise Refused(403, "403 Forbidden - Cannot push to source branch")
        if one.rebasing or one.state != "opened":
            raise Refused(409, "Failed to enqueue the rebase operation, possibly due to a "
                               "long-lived transaction. Try again later.")  # fmt: skip
        one.rebasing, one.merge_error = True, None
        one.due.append(Due(self.rebasing_for, "rebase", lambda: self._rebased(one, by)))

    def _rebased(self, one: MergeRequest, by: User) -> None:
        one.rebasing = False
        base, head = self.tips(one)
        at = one.source
        if at is not one.project:
            at.bare.fetch(one.project.bare, base, "refs/target")
        before = at.bare.heads()
        try:
            at.bare.point(f"refs/heads/{one.source_branch}", at.bare.replayed(base, head), head)
        except GitRefused:
            one.merge_error = CONFLICT
            return
        self.pushed(at, before, by)

    # -- how -------------------------------------------------------------------------------------

    def _allowed(self, one: MergeRequest, by: User, sha: str | None) -> None:
        """What stands against its state is not allowed; what stands against its commits fails."""
        if not self.may_merge(one, by):
            raise Refused(401, "401 Unauthorized")
        self.work_out(one)
        against = set(self._objections(one))
        if against - _OF_GIT:
            raise Refused(405, NOT_ALLOWED)
        if against or one.prepared_at is None:
            raise Refused(422, CANNOT)
        self._is_at(one, sha)

    def _is_at(self, one: MergeRequest, sha: str | None) -> None:
        if sha and sha != one.sha:
            raise Refused(409, f"SHA does not match HEAD of source branch: {one.sha}")

    def _joined(self, one: MergeRequest, wish: Wish) -> str:
        """What the target is moved to."""
        bare, (base, head) = one.project.bare, self.tips(one)
        assert one.tree
        wanted = one.squash or wish.squash  # what is set already stays, whatever is asked
        if wanted or one.project.squash_option == "always":
            start = one.base_sha if one.project.merge_method == "merge" else base
            tree = bare.commit(head).tree
            head = bare.record(tree, [start], wish.squash_message or one.title)
            one.squash_commit_sha = head
        if one.project.merge_method == "ff":
            return head
        said = wish.message or _message(one)
        one.merge_commit_sha = bare.record(one.tree, [base, head], said)
        return one.merge_commit_sha

    def _retarget_those_into(self, gone: MergeRequest) -> None:
        """What was to be merged into a branch that is merged goes where that one went."""
        for one in self.open_merge_requests(project=gone.source, target_branch=gone.source_branch):
            self.retarget(one, gone.target_branch)


def _message(one: MergeRequest) -> str:
    lead = f"Merge branch '{one.source_branch}' into '{one.target_branch}'"
    return f"{lead}\n\n{one.title}\n\nSee merge request {one.project.path}!{one.iid}"
