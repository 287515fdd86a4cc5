"""The process runtime, on real processes."""

from collections.abc import AsyncGenerator

import pytest

from ao_core.plugin import Scope
from ao_core.testing.runtime import RuntimeContract
from ao_core.testing.runtime_abilities import MeasurableContract, MourningContract, TypableContract
from ao_core.testing.runtime_lines import PipedContract
from ao_plugins.runtime.process import Process, ProcessConfig


@pytest.fixture
async def runtime(scope: Scope) -> AsyncGenerator[Process]:
    async with Process(ProcessConfig(grace=1.0), scope) as process:
        yield process
        for name in sorted(folder.name for folder in scope.state.iterdir()):
            if "." not in name and (left := await process.find(name)):
                await process.destroy(left)


class TestProcess(
    RuntimeContract, TypableContract, MourningContract, MeasurableContract, PipedContract
):
    """It does what every runtime does that types, mourns, measures and holds pipes."""
