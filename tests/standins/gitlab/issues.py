"""Issues, and what issues and merge requests have in common: labels, assignees, words."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from standins.gitlab.records import (
    Discussion,
    Issue,
    Label,
    Link,
    LinkType,
    MergeRequest,
    Note,
    Project,
    User,
)
from standins.gitlab.state import NotFound, Refused, State

_CLOSING = re.compile(r"\b(?:clos|fix|resolv)(?:e[sd]?|ing|)\b:? #(\d+)", re.IGNORECASE)
_COMMAND = re.compile(r"^/(close|reopen)(?:[ ][^\n]*)?(?:\s*\n|$)", re.IGNORECASE | re.MULTILINE)
_OPPOSITE: dict[LinkType, LinkType] = {"blocks": "is_blocked_by", "is_blocked_by": "blocks"}


class Issues(State):
    """What people write to each other about."""

    def issue(
        self, path: str, title: str, description: str | None = None, *,
        author: User | None = None, labels: Sequence[str] = (),
    ) -> Issue:  # fmt: skip
        """A new issue."""
        at, now = self.named(path), self.moment()
        made = Issue(
            id=self.next_id(), iid=len(at.issues) + 1, project=at, author=author or self.person,
            title=title, description=description, created_at=now, updated_at=now,
            labels=[self.label(at, name) for name in labels],
        )  # fmt: skip
        at.issues[made.iid] = made
        self.touched(made, "open", made.author)
        return made

    def close(self, one: Issue, by: User | None = None) -> None:
        """It is closed, unless it is."""
        if one.state == "opened":
            one.state, one.closed_at, one.closed_by = "closed", self.moment(), by or self.person
            self.touched(one, "close", one.closed_by)

    def reopen(self, one: Issue, by: User | None = None) -> None:
        """It is open again."""
        if one.state == "closed":
            one.state, one.closed_at, one.closed_by = "opened", None, None
            self.touched(one, "reopen", by or self.person)

    def relabel(self, one: Issue, names: Sequence[str], by: User | None = None) -> None:
        """It has these labels and no others."""
        before: list[Label] = one.labels
        one.labels = [self.label(one.project, name) for name in dict.fromkeys(names)]
        if before != one.labels:
            self.touched(one, "update", by or self.person, labels=(before, one.labels))

    def assign(self, one: Issue, users: Sequence[User], by: User | None = None) -> None:
        """These and nobody else are to do it."""
        before = one.assignees
        one.assignees = list(users)
        if before != one.assignees:
            self.touched(one, "update", by or self.person, assignees=(before, one.assignees))

    def edit(self, one: Issue, by: User, **fields: Any) -> None:
        """Change what it says."""
        changed = {
            name: (getattr(one, name), value)
            for name, value in fields.items()
            if getattr(one, name) != value
        }
        for name, (_, value) in changed.items():
            setattr(one, name, value)
        if changed:
            self.touched(one, "update", by, **changed)

    def obeyed(self, about: Issue, text: str, by: User) -> str:
        """What is left of a text once the commands in it were done; of these two are known here."""
        for word in _COMMAND.findall(text):
            (self.close if word == "close" else self.reopen)(about, by)
        return _COMMAND.sub("", text)

    def note(
        self, about: Issue, body: str, author: User | None = None, *, internal: bool = False,
        system: bool = False,
    ) -> Note:  # fmt: skip
        """A note that stands alone."""
        return self.discussion(about, body, author, type_=None, internal=internal, system=system)

    def discussion(
        self, about: Issue, body: str, author: User | None = None, *,
        type_: str | None = "DiscussionNote", **more: Any,
    ) -> Note:  # fmt: skip
        """The first note of a new discussion; with a `position` it is about a line."""
        number = self.next_id()
        made = Discussion(id=hashlib.sha256(str(number).encode()).hexdigest()[:40], about=about)
        about.discussions.append(made)
        type_ = "DiffNote" if more.get("position") else type_
        return self.said(made, body, author or self.person, id=number, type=type_, **more)

    def reply(self, discussion: Discussion, body: str, author: User | None = None) -> Note:
        """A further note; one that stood alone becomes a discussion by it."""
        first = discussion.notes[0]
        first.type = first.type or "DiscussionNote"
        more = {"type": first.type, "position": first.position}
        return self.said(discussion, body, author or self.person, id=self.next_id(), **more)

    def said(self, discussion: Discussion, body: str, author: User, **more: Any) -> Note:
        about, now = discussion.about, self.moment()
        made = Note(author=author, body=body, created_at=now, updated_at=now, about=about, **more)
        discussion.notes.append(made)
        about.updated_at = now
        if not made.system:
            self.tell("note", about.project, author, note=made)
        return made

    def resolve(self, discussion: Discussion, by: User | None = None, done: bool = True) -> None:
        """It is settled, or is open again."""
        when = self.moment() if done else None
        for note in discussion.notes:
            if note.resolvable and bool(note.resolved_by) != done:
                note.resolved_by, note.resolved_at = (by or self.person) if done else None, when

    def link(self, source: Issue, target: Issue, type_: LinkType = "relates_to") -> Link:
        """Have two issues know of each other."""
        if source is target or any(one.target is target for one in source.links):
            raise Refused(409, "Issue(s) already assigned")
        number, now = self.next_id(), self.moment()
        made = Link(id=number, source=source, target=target, type=type_, created_at=now)
        other = _OPPOSITE.get(type_, type_)
        source.links.append(made)
        target.links.append(
            Link(id=number, source=target, target=source, type=other, created_at=now)
        )
        return made

    def unlink(self, issue: Issue, number: int) -> Link:
        """They have nothing to do with each other any more."""
        found = next((one for one in issue.links if one.id == number), None)
        if found is None:
            raise NotFound
        for one in (found.source, found.target):
            one.links = [link for link in one.links if link.id != number]
        return found

    def closed_by(self, one: MergeRequest) -> list[Issue]:
        """The issues that merging it closes."""
        told = _CLOSING.findall(f"{one.title}\n{one.description or ''}")
        named = dict.fromkeys(int(number) for number in told)
        return [one.project.issues[iid] for iid in named if iid in one.project.issues]

    def member_of_id(self, at: Project, number: int) -> User | None:
        """Whoever may be assigned; others are left out without a word, as the host does."""
        return next((one for one in at.members if one.id == number), None)

    def touched(self, one: Issue, action: str, by: User, **changed: Any) -> None:
        """Something about it is new."""
        one.updated_at = self.moment()
        kind = "merge_request" if isinstance(one, MergeRequest) else "issue"
        self.tell(kind, one.project, by, thing=one, action=action, changed=changed)
