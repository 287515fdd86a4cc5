"""The search for issues and pull requests: https://docs.github.com/rest/search/search

Of its language these are known: `repo:` `is:` `state:` `label:` `assignee:` `author:` `in:`, each
quoted or not, and words or quoted phrases, all of which have to be there.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from standins.github.records import Issue, Pull
from standins.github.rest import Answer, Asked, answers
from standins.github.state import Refused

_PART = re.compile(r'(?:(?P<name>[a-z]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))')
_LONGEST = 256
_MOST = 1000

Test = Callable[[Issue, str], bool]
_KNOWN: Mapping[str, Test] = {
    "repo": lambda one, said: one.repository.full_name.lower() == said,
    "state": lambda one, said: one.state == said,
    "label": lambda one, said: said in [label.name.lower() for label in one.labels],
    "assignee": lambda one, said: said in [user.login.lower() for user in one.assignees],
    "author": lambda one, said: one.author.login.lower() == said,
    "is": lambda one, said: said in (("pr" if isinstance(one, Pull) else "issue"), one.state),
}


@answers("search/issues-and-pull-requests")
def searched(asked: Asked) -> Answer:
    """The best match would come first, if nothing else was asked for: here the newest does."""
    query = asked.query["q"]
    parts = [(one["name"], (one["phrase"] or one["word"] or "").lower()) for one in _read(query)]
    tests = [*_tests(parts)]
    every = [one for at in asked.world.repositories.values() for one in at.issues.values()]
    kept = [one for one in every if all(_is(one, *test) for test in tests)]
    newest_first = asked.query.get("order", "desc") == "desc"
    kept.sort(key=lambda one: (one.created_at, one.number), reverse=newest_first)
    items = [{**asked.telling.issue(one), "score": 1.0} for one in asked.page_of(kept[:_MOST])]
    told = {"total_count": len(kept), "incomplete_results": False, "search_type": "lexical"}
    return Answer(200, {**told, "items": items})


def _read(query: str) -> Iterable[re.Match[str]]:
    found = [*_PART.finditer(query)]
    if len(query) > _LONGEST or "".join(query.split()) != "".join(
        "".join(one[0].split()) for one in found
    ):
        raise Refused(422, "Validation Failed")
    return found


def _tests(parts: Iterable[tuple[str | None, str]]) -> Iterable[tuple[str | None, str, str]]:
    told = [*parts]
    where = next((said for name, said in told if name == "in"), "title,body,comments")
    for name, said in told:
        if name is not None and name not in (*_KNOWN, "in"):
            raise Refused(422, "Validation Failed")
        if name != "in":
            yield name, said, where


def _is(one: Issue, name: str | None, said: str, where: str) -> bool:
    if name is not None:
        return _KNOWN[name](one, said)
    there = {
        "title": one.title,
        "body": one.body,
        "comments": "\n".join(comment.body for comment in one.comments),
    }
    return any(said in there[place].lower() for place in where.split(","))
