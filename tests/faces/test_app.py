"""The engine as it is put together."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ao_core.engine.caller import Caller, Role
from ao_mcp.app import engine_on
from team import Team

CONFIG = """\
projects:
  sample:
    path: .
    agent: command
    agentConfig: {preset: worker}
    credentials: [SERVICE_TOKEN]
notifiers:
  chat: {plugin: lead, token: plain-words-but-secret}
"""


@pytest.fixture(autouse=True)
def log() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        handler.close()
    root.handlers[:], root.level = handlers, level


async def test_what_a_configuration_or_a_client_keeps_secret_never_reaches_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    repository = Team.new_repository(tmp_path / "sample", CONFIG)
    given = {"SERVICE_TOKEN": "another-secret-of-words"}
    caller = Caller(Role.LEAD, "c1", repository, environment=given)
    async with engine_on(tmp_path / "home") as engine:
        settings, _ = await engine.projects.settings_for(caller, "sample")
        assert settings.credentials == ("SERVICE_TOKEN",)
        engine.projects.remember(given.values())
        logging.getLogger("anybody").error("%s %s", "plain-words-but-secret", *given.values())
        written = (tmp_path / "home" / "engine.log").read_text()
    assert "secret" not in written
    assert "anybody" in written
