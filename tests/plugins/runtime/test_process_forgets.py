"""What the process runtime keeps of agents that ended can be removed."""

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest

from ao_core.plugin import Scope
from ao_core.slots.runtime import Runtime, Start
from ao_core.testing.runtime import RuntimeContract, ended, python
from ao_core.testing.runtime_abilities import ForgettingContract
from ao_plugins.runtime.process import Process, ProcessConfig


@pytest.fixture
async def runtime(scope: Scope) -> AsyncGenerator[Process]:
    async with Process(ProcessConfig(grace=1.0), scope) as process:
        yield process
        for name in ("app-1", "app-2"):
            if left := await process.find(name):
                await process.destroy(left)


class TestForgetting(ForgettingContract):
    """It forgets, and nothing is left of it on the disk."""

    start = RuntimeContract.start

    async def test_also_what_was_put_aside_goes(
        self, runtime: Runtime[Any], start: Callable[..., Start], scope: Scope
    ) -> None:
        assert isinstance(runtime, Process)
        for _ in range(2):
            handle = await runtime.create(start(*python("print('over')")))
            await ended(runtime, handle)

        def kept() -> list[Path]:
            return [path for path in scope.state.iterdir() if path.name.startswith("app-1")]

        assert len(kept()) == 2
        await runtime.forget("app-1")
        assert kept() == []
