"""Issues as markdown files with front matter, one `<n>.md` each, that people may edit by hand.

https://jekyllrb.com/docs/front-matter/

Needs no account and no network. Comments are sections at the end: `## Comment · <time>`.
"""

import os
import re
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import anyio
import anyio.to_thread

from ao_core.errors import NotFound, Rejected, StoreUnavailable
from ao_core.files import private_dir, write_atomic
from ao_core.ids import new_id
from ao_core.model.work import Issue, IssueChange, IssueDraft, IssueQuery
from ao_core.plugin import Config, Manifest, Scope
from ao_core.redact import visible
from ao_core.slots.tracker import Tracker
from ao_plugins._issue_file import FILE_LIMIT, Front, read, written

_NUMBER = re.compile(r"#?([1-9][0-9]{0,8})")
_COMMENT = re.compile(r"^## Comment · \d{4}-", re.M)
_TITLE_LIMIT = 300
_LABEL_LIMIT = 100
_BODY_LIMIT = 200_000
_T = TypeVar("_T")


class LocalTrackerConfig(Config):
    """Nothing to set: the issues lie with the project."""


class LocalTracker(Tracker[LocalTrackerConfig]):
    """The issues in one folder."""

    manifest = Manifest("local", "tracker", "Issues as markdown files", "1.0.0")
    config_type = LocalTrackerConfig

    def __init__(self, config: LocalTrackerConfig, scope: Scope) -> None:
        super().__init__(config, scope)
        self._writing = anyio.Lock()
        self._told: set[Path] = set()

    async def get(self, id: str) -> Issue | None:
        """Return one issue; a file broken by hand is `Rejected`, with what is wrong."""
        path = self._path(id)
        found = await _off(lambda: read(path)) if path else None
        return _issue(path, *found) if path and found else None

    def issue_url(self, id: str) -> str:
        """The address of the issue's file."""
        path = self._path(id)
        if path is None:
            raise NotFound(f"{ascii(id)[:60]} is no issue number")
        return path.absolute().as_uri()

    def issue_label(self, url: str) -> str:
        """`#3` for the address of issue 3; any other address as it is."""
        path = Path(unquote(urlsplit(url).path))
        ours = path.parent == self.scope.state.absolute() and path.suffix == ".md"
        return f"#{path.stem}" if ours and self._path(path.stem) else url

    async def search(self, query: IssueQuery) -> AsyncIterator[Issue]:
        """Yield the issues asked for, oldest first; a broken file is passed over with a note."""
        left = query.limit
        for number in await _off(lambda: _numbers(self.scope.state)):
            if left <= 0:
                return
            issue = await self._readable(number)
            if issue is not None and _fits(issue, query):
                left -= 1
                yield issue

    async def create(self, draft: IssueDraft) -> Issue:
        """Create an issue under the next free number."""
        now = self.scope.clock.now()
        front = Front(
            title=_title(draft.title),
            labels=_labels(draft.labels),
            assignee=_short(draft.assignee),
            created=now,
            updated=now,
        )
        body = visible(draft.body, _BODY_LIMIT)
        path = await _off(lambda: _add(private_dir(self.scope.state), written(front, body)))
        issue = await self.get(path.stem)
        if issue is None:
            raise StoreUnavailable(f"{path} was removed as it was made")
        return issue

    async def update(self, id: str, change: IssueChange) -> Issue:
        """Change an issue all at once, or raise `NotFound`."""
        path = self._path(id)
        async with self._writing:
            found = await _off(lambda: read(path)) if path else None
            if path is None or found is None:
                raise NotFound(f"there is no issue {ascii(id)[:60]}", hint="`list_issues` shows.")
            now = self.scope.clock.now()
            front, body = _changed(found[0], change, now), _edited(found[1], change, now)
            await _off(lambda: write_atomic(path, written(front, body)))
        return _issue(path, front, body)

    def _path(self, id: str) -> Path | None:
        match = _NUMBER.fullmatch(id)
        return self.scope.state / f"{match[1]}.md" if match else None

    async def _readable(self, number: int) -> Issue | None:
        try:
            return await self.get(str(number))
        except Rejected as exc:
            path = self.scope.state / f"{number}.md"
            if self.scope.announce and path not in self._told:
                self._told.add(path)
                await self.scope.announce(new_id("note"), exc.message)
            return None


async def _off(call: Callable[[], _T]) -> _T:
    return await anyio.to_thread.run_sync(call)


def _numbers(folder: Path) -> list[int]:
    names = [path.stem for path in folder.glob("*.md")] if folder.is_dir() else []
    return sorted(int(name) for name in names if _NUMBER.fullmatch(name) and name[0] != "#")


def _add(folder: Path, text: str) -> Path:
    """A file of its own, whole from the first moment, under a number nobody else has."""
    draft = folder / f".draft-{os.urandom(8).hex()}"
    write_atomic(draft, text)
    number = max(_numbers(folder), default=0)
    try:
        while True:
            number += 1
            path = folder / f"{number}.md"
            try:
                os.link(draft, path)
            except FileExistsError:
                continue
            return path
    except OSError as exc:
        raise StoreUnavailable(f"{folder} takes no new issue: {exc.strerror}") from exc
    finally:
        draft.unlink(missing_ok=True)


def _issue(path: Path, front: Front, body: str) -> Issue:
    return Issue(
        id=path.stem,
        title=_title(front.title),
        body=visible(body, FILE_LIMIT),
        state=front.state,
        url=path.absolute().as_uri(),
        labels=_labels(front.labels),
        assignee=_short(front.assignee),
        priority=_short(front.priority),
        updated_at=front.updated,
    )


def _fits(issue: Issue, query: IssueQuery) -> bool:
    text = (query.text or "").casefold()
    return (
        issue.state in query.states
        and set(query.labels) <= set(issue.labels)
        and query.assignee in (None, issue.assignee)
        and (text in issue.title.casefold() or text in issue.body.casefold())
    )


def _changed(front: Front, change: IssueChange, now: datetime) -> Front:
    labels = [one for one in front.labels if one not in change.remove_labels]
    facts: dict[str, object] = {
        "labels": _labels((*labels, *change.add_labels)),
        "state": change.state or front.state,
        "assignee": front.assignee if change.assignee is None else _short(change.assignee),
        "title": front.title if change.title is None else _title(change.title),
        "updated": now,
    }
    return front.model_copy(update=facts)


def _edited(body: str, change: IssueChange, now: datetime) -> str:
    if change.body is not None:
        comments = _COMMENT.search(body)
        rest = f"\n\n{body[comments.start() :]}" if comments else ""
        body = visible(change.body, _BODY_LIMIT) + rest
    if change.comment is not None:
        body += f"\n\n## Comment · {now.isoformat()}\n\n{visible(change.comment, _BODY_LIMIT)}"
    return body


def _labels(labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, (_short(one) or "" for one in labels))))


def _title(text: str) -> str:
    return " ".join(visible(text, _TITLE_LIMIT).split()) or "(no title)"


def _short(text: str | None) -> str | None:
    return " ".join(visible(text, _LABEL_LIMIT).split()) or None if text else None
