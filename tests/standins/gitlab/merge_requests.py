"""Merge requests: how they follow their branches, and whether both sides go together."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from standins.git import ZERO
from standins.gitlab.approvals import Approvals
from standins.gitlab.records import Due, MergeRequest, Project, User, Version
from standins.gitlab.state import Refused


class MergeRequests(Approvals):
    """A merge request's head is what git says of its branch."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.unknown_for = 1  # so many looks at it are told that it is being checked
        self._looked_at: set[MergeRequest] = set()

    def merge_request(
        self, path: str | Project, source: str, target: str = "main", *, title: str = "work",
        author: User | None = None, origin: Project | None = None, **fields: Any,
    ) -> MergeRequest:  # fmt: skip
        """A new merge request from a branch that is there; `origin` is the fork that has it."""
        at, now = self.named(path), self.moment()
        tip = self._tip(origin or at, source, "source_branch")
        made = MergeRequest(
            id=self.next_id(), iid=len(at.merge_requests) + 1, project=at, title=title,
            author=author or self.person, created_at=now, updated_at=now, prepared_at=now,
            source=origin or at, source_branch=source, target_branch=target,
            sha=tip, base_sha="", start_sha="", **fields,
        )  # fmt: skip
        self._new(made)
        at.merge_requests[made.iid] = made
        self._show(made)
        self.touched(made, "open", made.author)
        return made

    def retarget(self, one: MergeRequest, branch: str, by: User | None = None) -> None:
        """Have it merged into another branch."""
        self._tip(one.project, branch)
        self.edit(one, by or self.person, target_branch=branch)
        self._show(one)

    # -- whether both go together ----------------------------------------------------------------

    def look(self, one: MergeRequest) -> None:
        """Somebody asks for it, and has worked out for the next what is not known."""
        self._looked_at.add(one)
        if one.state == "opened" and not self.known(one) and not _is_due(one, "mergeability"):
            one.due.append(Due(self.unknown_for, "mergeability", lambda: self._settle(one)))

    def known(self, one: MergeRequest) -> bool:
        """Whether it was worked out since either branch moved."""
        return one.worked_out == self.tips(one)

    def merge_status(self, one: MergeRequest) -> str:
        """The old word for it."""
        if one.prepared_at is None:
            return "checking"
        if one.state == "opened" and not self.known(one):
            return "checking" if _is_due(one, "mergeability") else "unchecked"
        return "cannot_be_merged" if self.conflicts(one) else "can_be_merged"

    def conflicts(self, one: MergeRequest) -> bool:
        """As the host has it, which also says so where there is nothing to merge."""
        known = one.state == "opened" and self.known(one)
        return known and (one.tree is None or self.has_nothing(one))

    def has_nothing(self, one: MergeRequest) -> bool:
        """Whether its branch is gone, or has no commits."""
        gone = one.source.bare.find(f"refs/heads/{one.source_branch}") is None
        return gone or one.project.bare.holds(one.start_sha, one.sha)

    def between_requests(self) -> None:
        """What the host does when it was asked what it did not know."""
        for one in self._looked_at:
            for due in list(one.due):
                due.after -= 1
                if due.after <= 0:
                    one.due.remove(due)
                    due.do()
        self._looked_at.clear()

    def work_out(self, one: MergeRequest) -> None:
        """Whether git can join both branches as they are now."""
        base, head = self.tips(one)
        one.tree, one.worked_out = one.project.bare.joined(base, head), (base, head)
        one.due = [due for due in one.due if due.name != "mergeability"]

    def tips(self, one: MergeRequest) -> tuple[str, str]:
        """Where both branches are now."""
        return one.project.bare.find(f"refs/heads/{one.target_branch}") or one.start_sha, one.sha

    def behind(self, one: MergeRequest) -> bool:
        """Whether the target has commits that the source has not."""
        base, head = self.tips(one)
        return not one.project.bare.holds(head, base)

    def _settle(self, one: MergeRequest) -> None:
        one.prepared_at = one.prepared_at or self.moment()
        self.work_out(one)

    # -- following the branches ------------------------------------------------------------------

    def pushed(self, at: Project, before: Mapping[str, str], by: User) -> None:
        after = at.bare.heads()
        for branch in dict.fromkeys([*before, *after]):
            was, now = before.get(branch), after.get(branch)
            if was != now:
                self._moved(at, branch, was, now, by)

    def open_merge_requests(self, **alike: Any) -> list[MergeRequest]:
        """The open ones of all projects of which this is true."""
        every = [one for at in self.projects.values() for one in at.merge_requests.values()]
        return [
            one
            for one in every
            if one.state == "opened" and all(getattr(one, k) == v for k, v in alike.items())
        ]

    def merged(self, one: MergeRequest, by: User) -> None:
        """Its commits are in the target."""
        one.state, one.merged_at, one.merged_by = "merged", self.moment(), by
        one.auto_merge = one.train = None
        one.due.clear()
        self.touched(one, "merge", by)
        if one.target_branch == one.project.default_branch:
            for issue in self.closed_by(one):
                self.close(issue, by)

    def _moved(self, at: Project, branch: str, was: str | None, now: str | None, by: User) -> None:
        told = {"ref": f"refs/heads/{branch}", "before": was or ZERO, "after": now or ZERO}
        self.tell("push", at, by, push=told)
        for one in self.open_merge_requests(source=at, source_branch=branch):
            if now:
                self._follow(one, was, now, by)
        for one in self.open_merge_requests(project=at, target_branch=branch):
            if now and at.bare.holds(now, one.sha):
                self.merged(one, by)

    def _follow(self, one: MergeRequest, was: str | None, now: str, by: User) -> None:
        """Its source moved: what people said of the old commit may count no longer."""
        one.sha, one.auto_merge, one.merge_error = now, None, None
        if one.project.approvals_reset_on_push and one.project.tier != "free":
            one.approvals.clear()
        self._show(one)
        self.note(one, "added 1 commit", by, system=True)
        self.touched(one, "update", by, oldrev=(was, None))

    def _show(self, one: MergeRequest) -> None:
        """Keep its head where git finds it, and note where both went apart."""
        bare = one.project.bare
        if one.source is not one.project:
            bare.fetch(one.source.bare, one.sha, f"refs/merge-requests/{one.iid}/head")
        bare.point(f"refs/merge-requests/{one.iid}/head", one.sha)
        one.start_sha = self._tip(one.project, one.target_branch)
        one.base_sha = bare.fork_point(one.start_sha, one.sha)
        made = Version(self.next_id(), one.sha, one.base_sha, one.start_sha, self.moment())
        one.versions.insert(0, made)

    # -- what is refused -------------------------------------------------------------------------

    def _new(self, made: MergeRequest) -> None:
        if made.source is made.project and made.source_branch == made.target_branch:
            raise Refused(409, ["You can't use same project/branch for source and target"])
        self._tip(made.project, made.target_branch)
        same = self.open_merge_requests(
            source=made.source, source_branch=made.source_branch,
            project=made.project, target_branch=made.target_branch,
        )  # fmt: skip
        if same:
            said = "Another open merge request already exists for this source branch"
            raise Refused(409, [f"{said}: !{same[0].iid}"])

    def _tip(self, at: Project, branch: str, field: str = "target_branch") -> str:
        if sha := at.bare.find(f"refs/heads/{branch}"):
            return sha
        raise Refused(400, {field: ["does not exist"]})


def _is_due(one: MergeRequest, name: str) -> bool:
    return any(due.name == name for due in one.due)
