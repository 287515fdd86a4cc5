"""Who is glanced at, and what is looked at properly after that."""

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import cast

from ao_core.engine.engine import Engine
from ao_core.engine.glances import Glances
from ao_core.errors import Unavailable
from ao_core.model.session import Drive, RuntimeFacts, RuntimeHandle, RuntimeState, Session
from ao_core.slots.runtime import Seen
from books import a_session


class Sight:
    """An engine of one session, whose screen is what is put here."""

    def __init__(self, *, watched: bool = True, drive: Drive = Drive.TERMINAL) -> None:
        self.output: str | None = "a"
        self.looks, self.nudged = list[str](), list[str]()
        run = RuntimeFacts(RuntimeState.ALIVE, handle=RuntimeHandle("app-1", "double"))
        session, agent = a_session(drive=drive, run=run), SimpleNamespace(watched=watched)

        async def agent_of(session: Session) -> object:
            return agent

        async def runtime_of(session: Session) -> object:
            return SimpleNamespace(look=self.look)

        self.engine = SimpleNamespace(
            live=lambda: [session], agent_of=agent_of, runtime_of=runtime_of,
            nudge=self.nudged.append,
        )  # fmt: skip
        self.glances = Glances(cast("Engine", self.engine))

    async def look(self, handles: Sequence[RuntimeHandle]) -> Mapping[str, Seen]:
        self.looks += [handle.id for handle in handles]
        if self.output is None:
            raise Unavailable("it cannot say")
        return {handle.id: Seen(RuntimeState.ALIVE, output=self.output) for handle in handles}

    async def shows(self, *outputs: str | None) -> int:
        """How often it is looked at properly while that is on its screen, a glance each."""
        before = len(self.nudged)
        for output in outputs:
            self.output = output
            await self.glances.once()
        return len(self.nudged) - before


async def test_what_has_moved_and_stands_still_is_looked_at_once() -> None:
    sight = Sight()
    assert await sight.shows("a", "b", "b") == 1
    assert await sight.shows("b", "b", "b") == 0
    assert await sight.shows("c", "c") == 1


async def test_what_goes_on_moving_is_only_glanced_at() -> None:
    assert await Sight().shows(*map(str, range(20))) == 0


async def test_a_runtime_that_cannot_say_is_no_news() -> None:
    sight = Sight()
    assert await sight.shows("a", "a") == 1
    assert await sight.shows(None, None) == 0
    assert await sight.shows("a", "a") == 0


async def test_who_tells_by_itself_is_not_glanced_at() -> None:
    for sight in (Sight(watched=False), Sight(drive=Drive.PROTOCOL)):
        assert await sight.shows("a", "a") == 0
        assert sight.looks == []
