"""How an issue stands: by the type of its workflow state, for its name is every team's own.

https://linear.app/docs/configuring-workflows
"""

from collections.abc import Iterable

from ao_core.model.work import IssueState
from ao_plugins._linear.answer import Shape

_MEANS = {
    "triage": IssueState.OPEN,
    "backlog": IssueState.OPEN,
    "unstarted": IssueState.OPEN,
    "started": IssueState.IN_PROGRESS,
    "completed": IssueState.CLOSED,
    "canceled": IssueState.CANCELLED,
    "duplicate": IssueState.CANCELLED,
}
_BECOMES = {
    IssueState.OPEN: ("unstarted", "backlog", "triage"),
    IssueState.IN_PROGRESS: ("started",),
    IssueState.CLOSED: ("completed",),
    IssueState.CANCELLED: ("canceled",),
}


class State(Shape):
    """A state of a team's own, and where it stands among those of its type."""

    id: str = ""
    type: str
    position: float = 0.0


def meant(type: str) -> IssueState:
    """What a state of this type means to us; one that is new to us is open."""
    return _MEANS.get(type, IssueState.OPEN)


def types(states: Iterable[IssueState]) -> list[str]:
    """The types that mean one of these."""
    wanted = frozenset(states)
    return [type for type, state in _MEANS.items() if state in wanted]


def chosen(states: Iterable[State], wanted: IssueState) -> State | None:
    """The team's first state that means this, if it has one."""
    types = _BECOMES[wanted]
    fitting = (one for one in states if one.type in types)
    return min(fitting, key=lambda one: (types.index(one.type), one.position), default=None)
