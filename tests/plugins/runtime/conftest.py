"""A tmux of one's own for each test."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

import pytest

from ao_core.plugin import Scope
from ao_plugins.runtime.tmux import Tmux, TmuxConfig


@pytest.fixture
def scope(tmp_path: Path) -> Generator[Scope]:
    short = Path(tempfile.mkdtemp(prefix="ao-"))
    environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": str(short)}
    yield Scope(state=tmp_path / "state", environment=environment)
    for socket in short.glob("*/tmux"):
        subprocess.run(["tmux", "-S", str(socket), "kill-server"], capture_output=True)
    shutil.rmtree(short)


@pytest.fixture
async def runtime(scope: Scope) -> AsyncGenerator[Tmux]:
    async with Tmux(TmuxConfig(grace=1.0), scope) as tmux:
        yield tmux
