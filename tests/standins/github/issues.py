"""What happens to issues, and to pull requests as far as they are issues."""

import re
from collections.abc import Iterable

from standins.github.records import Comment, Issue, Pull, Repository, User
from standins.github.state import NotFound, State

CLOSES = re.compile(r"\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?):?\s+#(\d+)", re.IGNORECASE)
_UNSAID = "\0"


class Issues(State):
    """Each change tells webhooks of itself; `by` is who makes it."""

    def issue(
        self, repository: str, title: str, body: str = "", *,
        labels: Iterable[str] = (), assignees: Iterable[str] = (), author: User | None = None,
    ) -> Issue:  # fmt: skip
        """A new issue."""
        at, by, now = self.named(repository), author or self.person, self.moment()
        made = Issue(
            id=self.next_id(), repository=at, number=self.next_number(at), title=title, body=body,
            author=by, created_at=now, updated_at=now,
            labels=[self.label(at, name) for name in labels],
            assignees=[self.users[login] for login in assignees if login in self.users],
        )  # fmt: skip
        at.issues[made.number] = self.kept(made)
        self.tell("issues", "opened", at, by, issue=made)
        return made

    def comment(self, issue: Issue, body: str, author: User | None = None) -> Comment:
        """A comment below an issue or a pull request."""
        by, now = author or self.reviewer, self.moment()
        made = Comment(
            id=self.next_id(), issue=issue, author=by, body=body, created_at=now, updated_at=now
        )
        issue.comments.append(self.kept(made))
        issue.updated_at = now
        self.tell("issue_comment", "created", issue.repository, by, issue=issue, comment=made)
        return made

    def recomment(self, comment: Comment, body: str, by: User) -> None:
        """Other words in the place of a comment's."""
        comment.body, comment.updated_at = body, self.moment()
        at = comment.issue.repository
        self.tell("issue_comment", "edited", at, by, issue=comment.issue, comment=comment)

    def edit(self, issue: Issue, by: User, title: str | None, body: str | None = _UNSAID) -> None:
        """Another title, another body."""
        before = issue.title, issue.body
        issue.title = issue.title if title is None else title
        issue.body = issue.body if body == _UNSAID else body or ""
        if before != (issue.title, issue.body):
            self.touched(issue, "edited", by)

    def close(self, issue: Issue, by: User | None = None, reason: str | None = "completed") -> None:
        """Close it, unless it is."""
        if issue.state == "open":
            issue.state, issue.closed_at = "closed", self.moment()
            issue.state_reason = None if isinstance(issue, Pull) else reason
            self.touched(issue, "closed", by or self.person)

    def reopen(self, issue: Issue, by: User | None = None) -> None:
        """Open it again, unless it is."""
        if issue.state == "closed":
            issue.state, issue.closed_at = "open", None
            issue.state_reason = None if isinstance(issue, Pull) else "reopened"
            self.touched(issue, "reopened", by or self.person)

    def relabel(self, issue: Issue, names: Iterable[str], by: User | None = None) -> None:
        """These labels and no others."""
        wanted = [self.label(issue.repository, name) for name in dict.fromkeys(names)]
        wanted = list(dict.fromkeys(wanted))
        for one in [label for label in wanted if label not in issue.labels]:
            issue.labels = [*issue.labels, one]
            self.touched(issue, "labeled", by or self.person, label=one)
        for one in [label for label in issue.labels if label not in wanted]:
            issue.labels = [label for label in issue.labels if label is not one]
            self.touched(issue, "unlabeled", by or self.person, label=one)

    def assign(self, issue: Issue, logins: Iterable[str], by: User | None = None) -> None:
        """These users and no others; who is unknown is left out without a word."""
        wanted = [self.users[login] for login in dict.fromkeys(logins) if login in self.users]
        for one in [user for user in wanted if user not in issue.assignees]:
            issue.assignees = [*issue.assignees, one]
            self.touched(issue, "assigned", by or self.person, assignee=one)
        for one in [user for user in issue.assignees if user not in wanted]:
            issue.assignees = [user for user in issue.assignees if user is not one]
            self.touched(issue, "unassigned", by or self.person, assignee=one)

    def part(self, of: Issue, issue: Issue) -> None:
        """Make one a part of another, and of no other."""
        if issue.parent:
            issue.parent.parts.remove(issue)
        issue.parent = of
        of.parts.append(issue)

    # -- for those who build on it ---------------------------------------------------------------

    def named(self, repository: str | Repository) -> Repository:
        if isinstance(repository, Repository):
            return repository
        if found := self.repositories.get(repository.lower()):
            return found
        raise NotFound

    def next_number(self, at: Repository) -> int:
        return max(at.issues, default=0) + 1

    def touched(self, issue: Issue, action: str, by: User, **about: object) -> None:
        """It is another than before, and webhooks tell so."""
        issue.updated_at = self.moment()
        name = "pull_request" if isinstance(issue, Pull) else "issues"
        kind = "pull_request" if isinstance(issue, Pull) else "issue"
        self.tell(name, action, issue.repository, by, **{kind: issue}, **about)

    def close_named(self, text: str, at: Repository, by: User) -> None:
        """Close the issues that a merged pull request says it closes."""
        for number in CLOSES.findall(text):
            if found := at.issues.get(int(number)):
                self.close(found, by)
