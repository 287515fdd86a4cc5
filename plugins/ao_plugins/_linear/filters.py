"""What is looked for, as Linear's filters have it.

https://linear.app/developers/filtering
"""

from collections.abc import Iterator, Mapping
from typing import Any

from ao_core.model.work import IssueQuery, IssueState
from ao_plugins._linear.names import person_filter, team_filter
from ao_plugins._linear.states import types

Filter = Mapping[str, Any]


def filter_of(query: IssueQuery, team: str | None) -> Filter:
    """Each wish is one of which all have to hold."""
    return {"and": list(_wishes(query, team))}


def _wishes(query: IssueQuery, team: str | None) -> Iterator[Filter]:
    if team is not None:
        yield {"team": team_filter(team)}
    if query.states != frozenset(IssueState):
        yield {"state": {"type": {"in": types(query.states)}}}
    for label in query.labels:
        yield {"labels": {"some": {"name": {"eqIgnoreCase": label}}}}
    if query.assignee is not None:
        yield {"assignee": person_filter(query.assignee) if query.assignee else {"null": True}}
    if query.text:
        contains = {"containsIgnoreCase": query.text}
        yield {"or": [{"title": contains}, {"description": contains}]}
