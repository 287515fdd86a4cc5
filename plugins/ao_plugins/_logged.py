"""What agents share that keep a log of their own: who reads it is told the same of each."""

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Generic, Protocol, TypeVar

import anyio

from ao_core.model.activity import Activity
from ao_core.model.usage import Usage
from ao_core.plugin import ConfigT
from ao_core.slots.agent import Agent, AgentInfo, Launch, Look, Turn
from ao_plugins._tokens import tokens


class Story(Protocol):
    """What a log amounts to so far."""

    @property
    def native_id(self) -> str | None:
        """The agent's own name for the session."""
        ...

    @property
    def summary(self) -> str | None:
        """The title it gave it, if it gives any."""
        ...

    @property
    def last(self) -> Activity | None:
        """The last thing the log says of what the agent does."""
        ...

    @property
    def usage(self) -> Usage:
        """What it has used in all."""
        ...

    @property
    def turns(self) -> Collection[Turn]:
        """The last messages, oldest first."""
        ...


StoryT = TypeVar("StoryT", bound=Story)


class Logged(Agent[ConfigT], Generic[ConfigT, StoryT]):
    """An agent with a log."""

    @abstractmethod
    def kept(self, launch: Launch) -> StoryT | None:
        """What its log amounts to; None without one. It is called in a thread."""

    async def story(self, launch: Launch) -> StoryT | None:
        """What its log amounts to by now."""
        return await anyio.to_thread.run_sync(self.kept, launch)

    async def native(self, look: Look) -> Activity | None:
        """The last thing its log shows."""
        story = await self.story(look.launch)
        return story.last if story else None

    async def info(self, launch: Launch) -> AgentInfo | None:
        """Its id, its title and what it has used."""
        story = await self.story(launch)
        return AgentInfo(story.native_id, story.summary, story.usage) if story else None

    async def turns(self, launch: Launch, limit: int = 20) -> Sequence[Turn]:
        """The last messages of its log."""
        story = await self.story(launch)
        return tuple(story.turns)[-limit:] if story and limit > 0 else ()


class Receipted(Logged[ConfigT, StoryT]):
    """An agent whose log has each message that it took in, with our token."""

    async def taken(self, launch: Launch) -> frozenset[str]:
        """What was said to it, by its log."""
        story = await self.story(launch)
        return tokens(story.turns) if story else frozenset()
