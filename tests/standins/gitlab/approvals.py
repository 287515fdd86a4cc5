"""Who approves, and whether that is enough: https://docs.gitlab.com/api/merge_request_approvals/"""

from typing import Literal

from standins.gitlab.pipelines import Pipelines
from standins.gitlab.records import DEVELOPER, MergeRequest, Note, Project, Rule, User
from standins.gitlab.state import NotFound, Refused

ReviewState = Literal["unreviewed", "reviewed", "requested_changes", "approved"]


class Approvals(Pipelines):
    """Rules of a project, approvals of a merge request, and reviews."""

    def rule(self, path: str | Project, required: int = 1, name: str = "All", *users: User) -> Rule:
        """From now on so many have to approve: of these users, or of all members."""
        made = Rule(id=self.next_id(), name=name, required=required, users=list(users))
        self.named(path).rules.append(made)
        return made

    def approve(self, one: MergeRequest, by: User | None = None) -> None:
        """Somebody approves, if they may."""
        by = by or self.reviewer
        if not self.may_approve(one, by):
            raise Refused(401, "401 Unauthorized")
        one.approvals[by] = self.moment()
        one.changes_requested = [user for user in one.changes_requested if user is not by]
        self.note(one, "approved this merge request", by, system=True)
        self.touched(one, "approved" if self.is_approved(one) else "approval", by)
        self.heard_of(one.project, one.sha)

    def unapprove(self, one: MergeRequest, by: User | None = None) -> None:
        """Somebody thought again."""
        by = by or self.reviewer
        if by not in one.approvals:
            raise NotFound
        del one.approvals[by]
        self.note(one, "unapproved this merge request", by, system=True)
        self.touched(one, "unapproved", by)

    def review(
        self, one: MergeRequest, state: ReviewState = "approved", body: str = "",
        by: User | None = None,
    ) -> Note | None:  # fmt: skip
        """Somebody looked at it; they are a reviewer from now on, if they were not."""
        by = by or self.reviewer
        one.reviewers += [by] if by not in one.reviewers else []
        note = self.note(one, body, by) if body else None
        if state == "approved":
            self.approve(one, by)
        elif state == "requested_changes":
            one.changes_requested.append(by)
            self.note(one, "requested changes", by, system=True)
            self.touched(one, "update", by)
        return note

    def reviewer_state(self, one: MergeRequest, user: User) -> ReviewState:
        if user in one.changes_requested:
            return "requested_changes"
        if user in one.approvals:
            return "approved"
        said = any(note.author is user and not note.system for note in one.notes)
        return "reviewed" if said else "unreviewed"

    def may_approve(self, one: MergeRequest, user: User) -> bool:
        level = one.project.members.get(user, 0)
        own = user is one.author and one.project.tier != "free"
        allowed = one.project.author_may_approve or not own
        return level >= DEVELOPER and allowed and user not in one.approvals

    def is_approved(self, one: MergeRequest) -> bool:
        """Without rules, which a free tier has not, anybody's word is enough."""
        if one.project.tier == "free":
            return bool(one.approvals)
        return self.approvals_left(one) == 0

    def approvals_left(self, one: MergeRequest) -> int:
        if one.project.tier == "free":
            return 0
        rules = one.project.rules
        return sum(max(0, rule.required - len(self.approved(one, rule))) for rule in rules)

    def approved(self, one: MergeRequest, rule: Rule) -> list[User]:
        """Those who approved of whom the rule speaks."""
        return [user for user in one.approvals if user in self.eligible(one, rule)]

    def eligible(self, one: MergeRequest, rule: Rule) -> list[User]:
        known = rule.users or [u for u, n in one.project.members.items() if n >= DEVELOPER]
        return [u for u in known if one.project.author_may_approve or u is not one.author]
