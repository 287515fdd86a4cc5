"""Names as people write them, as the ids that Linear wants: teams, people, labels."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID, uuid4

import anyio

from ao_core.errors import ConfigError, NotFound, Rejected
from ao_core.http import GraphQL
from ao_plugins._linear import documents
from ao_plugins._linear.answer import Nodes, Shape
from ao_plugins._linear.once import repeated
from ao_plugins._linear.shape import Label, Named, Person, one_line

ME = "me"
_RANKS = ("id", "display_name", "email", "name")  # by which somebody is known, the surest first


class _Teams(Shape):
    teams: Nodes[Named]


class _People(Shape):
    users: Nodes[Person]


class _Labels(Shape):
    issue_labels: Nodes[Label]


class _Made(Shape):
    issue_label: Label


class _Created(Shape):
    issue_label_create: _Made


class Names:
    """Looks names up. The team's id is asked for once."""

    def __init__(self, graph: GraphQL, team: str | None) -> None:
        self._graph, self._given = graph, team
        self._team: str | None = None
        self._making = anyio.Lock()

    async def team(self) -> str:
        """The id of the team that is set, or of the only one."""
        if self._team is None:
            self._team = await self._only_team()
        return self._team

    async def person(self, name: str) -> str:
        """The id of whoever is called so."""
        found = await self._graph.ask(
            documents.PEOPLE, {"filter": person_filter(name)}, into=_People
        )
        if name.casefold() == ME:
            matching: Sequence[Person] = found.users.nodes
        else:
            matching = _surest(found.users.nodes, _bare(name))
        if len(matching) == 1:
            return matching[0].id
        if not matching:
            raise NotFound(f"nobody in Linear is called {ascii(name)[:60]}", hint="Try an email.")
        raise Rejected(f"several people are called {ascii(name)[:60]}", hint="Give the email.")

    async def labels(self, names: Iterable[str], team: str) -> list[str]:
        """The ids of labels that the team's issues can bear; one that is not there is made."""
        wanted = spelt(names)
        if not wanted:
            return []
        async with self._making:
            known = await self._known(wanted.values(), team)
            for key, name in wanted.items():
                if key not in known:
                    known[key] = await self._new(name, team)
        return [known[key] for key in wanted]

    async def _only_team(self) -> str:
        wanted = team_filter(self._given)
        found = await self._graph.ask(documents.TEAMS, {"filter": wanted}, into=_Teams)
        if len(found.teams.nodes) == 1:
            return found.teams.nodes[0].id
        if self._given is not None:
            raise ConfigError(
                f"there is no team {ascii(self._given)[:60]} in Linear",
                hint="Set `team` to the letters before an issue's number: ENG of ENG-12.",
            )
        raise ConfigError(
            "it is not known to which team of Linear a new issue belongs",
            hint="Set the tracker's `team` to the letters before an issue's number: ENG of ENG-12.",
        )

    async def _known(self, names: Iterable[str], team: str) -> dict[str, str]:
        """By small letters; of two with one name, the team's own."""
        wanted = {"or": [{"name": {"eqIgnoreCase": name}} for name in names]}
        found = await self._graph.ask(documents.NAMED_LABELS, {"filter": wanted}, into=_Labels)
        usable = [
            one
            for one in found.issue_labels.nodes
            if not one.is_group and (one.team is None or one.team.id == team)
        ]
        usable.sort(key=lambda one: one.team is not None)
        return {one.name.casefold(): one.id for one in usable}

    async def _new(self, name: str, team: str) -> str:
        given = {"input": {"id": str(uuid4()), "name": name, "teamId": team}}

        async def make() -> _Created:
            return await self._graph.ask(documents.NEW_LABEL, given, into=_Created)

        try:
            made = await repeated(make)
        except Rejected:  # somebody else was quicker, or an earlier try
            known = await self._known([name], team)
            if name.casefold() not in known:
                raise
            return known[name.casefold()]
        return made.issue_label_create.issue_label.id


def spelt(labels: Iterable[str]) -> dict[str, str]:
    """Labels by small letters, each as it was written first: Linear tells no capitals apart."""
    written: dict[str, str] = {}
    for one in map(one_line, labels):
        written.setdefault(one.casefold(), one)
    return written


def team_filter(team: str | None) -> Mapping[str, Any] | None:
    """Issues of all teams, where none is set."""
    if team is None:
        return None
    return {"id": {"eq": team}} if is_uuid(team) else {"key": {"eqIgnoreCase": team}}


def person_filter(name: str) -> Mapping[str, Any]:
    """Somebody by display name, email or full name, or whoever asks."""
    if name.casefold() == ME:
        return {"isMe": {"eq": True}}
    same = {"eqIgnoreCase": _bare(name)}
    known = [{"displayName": same}, {"email": same}, {"name": same}]
    return {"or": [*known, {"id": {"eq": name}}] if is_uuid(name) else known}


def is_uuid(text: str) -> bool:
    """Whether it is an id of Linear's own."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _bare(name: str) -> str:
    return name.strip().removeprefix("@")


def _surest(people: Sequence[Person], name: str) -> list[Person]:
    """Those of this very display name; else of this email; else of this name."""
    for rank in _RANKS:
        if found := [one for one in people if getattr(one, rank).casefold() == name.casefold()]:
            return found
    return []
