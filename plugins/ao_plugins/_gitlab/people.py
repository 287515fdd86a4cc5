"""Accounts by their names; and which are programs, told so, by the settings, or asked of once.

https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects
https://docs.gitlab.com/api/users/
"""

import re
from dataclasses import dataclass, field

from ao_core.errors import NotFound, PluginError
from ao_plugins._gitlab.host import GitLab
from ao_plugins._gitlab.shape import Person, Shape

_OF_A_TOKEN = re.compile(r"(project|group)_\d+_bot(_?[0-9a-z]+)?")


class _Account(Shape):
    bot: bool = False


@dataclass(slots=True)
class People:
    """Those who speak in one project."""

    gitlab: GitLab
    bots: frozenset[str] = frozenset()
    _known: dict[int, bool] = field(default_factory=dict[int, bool])
    _named: dict[str, Person] = field(default_factory=dict[str, Person])

    async def is_bot(self, person: Person | None) -> bool:
        """Whether it is a program; whoever is gone is taken to be a person."""
        if person is None:
            return False
        if person.username in self.bots or _OF_A_TOKEN.fullmatch(person.username):
            return True
        if person.id not in self._known:
            return await self._asked(person)
        return self._known[person.id]

    async def named(self, username: str) -> Person:
        """Who is called so, of whom GitLab wants the id; `me` is who signs in."""
        if username not in self._named:
            ask = self.gitlab.rest.ask
            if username == "me":
                found = [await ask("GET", "/user", into=Person)]
            else:
                named = {"username": username}
                found = await ask("GET", "/users", into=list[Person], params=named)
            if not found:
                raise NotFound(f"nobody on GitLab is called {ascii(username)[:60]}")
            self._named[username] = found[0]
        return self._named[username]

    async def _asked(self, person: Person) -> bool:
        try:
            account = await self.gitlab.rest.ask("GET", f"/users/{person.id}", into=_Account)
        except NotFound:
            account = _Account()
        except PluginError:
            return False  # and asked again another time
        self._known[person.id] = account.bot
        return account.bot
