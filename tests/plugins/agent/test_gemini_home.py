"""Gemini CLI's home of its own: settings, trust, and what it takes up again."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import ConfigError
from ao_core.model.session import Drive
from ao_core.plugin import Scope
from ao_core.slots.agent import Launch
from ao_core.testing.clock import FakeClock
from ao_plugins.agent._gemini.log import mend
from ao_plugins.agent.gemini import Gemini, GeminiConfig
from plugins.agent.test_gemini import LOG, home_of, launch_in, line, log_of

RESULT: dict[str, Any] = {"functionResponse": {"id": "a", "name": "glob", "response": {}}}


@pytest.fixture
def agent(tmp_path: Path) -> Gemini:
    return Gemini(GeminiConfig(), Scope(state=tmp_path / "state", project="app", clock=FakeClock()))


@pytest.fixture
def started(tmp_path: Path) -> Launch:
    return launch_in(tmp_path)


def user(launch: Launch) -> Path:
    """The user's own folder, with a login and settings in it."""
    folder = Path(launch.environment["HOME"]) / ".gemini"
    folder.mkdir()
    (folder / "oauth_creds.json").write_text("{}")
    return folder


# -- its home ----------------------------------------------------------------------------------


async def test_its_home_is_the_users_with_our_settings(agent: Gemini, started: Launch) -> None:
    theirs, own = user(started), home_of(started)
    given: dict[str, Any] = {
        "hooks": {"AfterAgent": [{"hooks": []}]}, "mcpServers": {"mine": {"command": "x"}},
        "general": {"vimMode": True, "checkpointing": {"enabled": True}},
    }  # fmt: skip
    text = f"// a comment\n{json.dumps(given)}"
    (theirs / "settings.json").write_text(text)
    (theirs / "policies").mkdir()
    await agent.prepare(started)
    assert (own / "oauth_creds.json").resolve() == theirs / "oauth_creds.json"
    settings = json.loads((own / "settings.json").read_text())
    assert {*settings["mcpServers"]} == {"mine", "ao"}
    assert settings["mcpServers"]["ao"]["args"] == ["--worker"]
    assert settings["mcpServers"]["ao"]["env"]["AO_TOKEN"] == "$AO_TOKEN"
    assert len(settings["hooks"]["AfterAgent"]) == 2
    assert settings["general"]["checkpointing"] == {"enabled": True}
    assert not settings["general"]["vimMode"]
    assert not settings["general"]["sessionRetention"]["enabled"]
    assert settings["policyPaths"][0] == str(own / "policies")
    assert 'decision = "allow"' in (home_of(started).parent / "ao.toml").read_text()
    assert (theirs / "settings.json").read_text() == text
    assert list(started.workspace.iterdir()) == []


async def test_a_login_made_in_it_is_the_users(agent: Gemini, started: Launch) -> None:
    await agent.prepare(started)
    (Path(started.environment["HOME"]) / ".gemini").mkdir()
    (home_of(started) / "gemini-credentials.json").write_text("secret")
    theirs = Path(started.environment["HOME"]) / ".gemini" / "gemini-credentials.json"
    assert theirs.read_text() == "secret"


async def test_conversations_and_the_list_of_projects_are_its_own(
    agent: Gemini, started: Launch
) -> None:
    theirs = user(started)
    (theirs / "tmp").mkdir()
    (theirs / "projects.json").write_text("{}")
    await agent.prepare(started)
    assert not (home_of(started) / "tmp").is_symlink()
    assert not (home_of(started) / "projects.json").exists()


@pytest.mark.parametrize(
    ("named", "file"),
    [(None, "GEMINI.md"), ("AGENTS.md", "AGENTS.md"), (["A.md", "B.md"], "A.md"),
     ("../../escape", "GEMINI.md"), (3, "GEMINI.md")],
)  # fmt: skip
async def test_its_instructions_follow_the_users(
    agent: Gemini, started: Launch, named: object, file: str
) -> None:
    theirs = user(started)
    (theirs / "settings.json").write_text(json.dumps({"context": {"fileName": named}}))
    (theirs / file).write_text("Theirs.\n")
    await agent.prepare(started)
    assert (home_of(started) / file).read_text() == "Theirs.\nBe kind.\n"
    assert (theirs / file).read_text() == "Theirs.\n"


async def test_a_project_that_names_another_file_has_them_there_as_well(
    agent: Gemini, started: Launch
) -> None:
    folder = started.workspace / ".gemini"
    folder.mkdir()
    (folder / "settings.json").write_text('{"context": {"fileName": "AGENTS.md"}}')
    await agent.prepare(started)
    assert (home_of(started) / "AGENTS.md").read_text() == "Be kind.\n"
    assert (home_of(started) / "GEMINI.md").read_text() == "Be kind.\n"


async def test_by_protocol_neither_hooks_nor_tools_are_set_up(
    agent: Gemini, started: Launch
) -> None:
    await agent.prepare(replace(started, drive=Drive.PROTOCOL))
    settings = json.loads((home_of(started) / "settings.json").read_text())
    assert settings["hooks"] == {}
    assert "mcpServers" not in settings


async def test_settings_that_are_no_json_are_named(agent: Gemini, started: Launch) -> None:
    (user(started) / "settings.json").write_text("{")
    with pytest.raises(ConfigError, match=r"settings\.json"):
        await agent.prepare(started)


# -- whom it trusts ----------------------------------------------------------------------------


def work_tree(launch: Launch, back: str | None = None) -> Path:
    """The repository that the workspace is a work tree of."""
    repository = launch.workspace.parent / "repository"
    place = repository / ".git" / "worktrees" / "one"
    place.mkdir(parents=True)
    (launch.workspace / ".git").write_text(f"gitdir: {place}\n")
    (place / "commondir").write_text("../..\n")
    (place / "gitdir").write_text(f"{back or launch.workspace / '.git'}\n")
    return repository


def is_trusted(agent: Gemini, launch: Launch, rules: dict[str, str]) -> bool:
    file = Path(launch.environment["HOME"]) / ".gemini" / "trustedFolders.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(rules))
    return agent.environment(launch).get("GEMINI_CLI_TRUST_WORKSPACE") == "true"


def test_a_work_tree_is_trusted_as_its_repository_is(agent: Gemini, started: Launch) -> None:
    repository = str(work_tree(started))
    assert not is_trusted(agent, started, {})
    assert is_trusted(agent, started, {repository: "TRUST_FOLDER"})
    assert is_trusted(agent, started, {f"{repository}/src": "TRUST_PARENT"})
    assert not is_trusted(agent, started, {repository: "DO_NOT_TRUST"})


def test_what_was_said_of_the_work_tree_itself_stands(agent: Gemini, started: Launch) -> None:
    repository, workspace = str(work_tree(started)), str(started.workspace)
    trusted = {repository: "TRUST_FOLDER", workspace: "DO_NOT_TRUST"}
    assert not is_trusted(agent, started, trusted)


def test_a_repository_that_knows_nothing_of_it_vouches_for_nobody(
    agent: Gemini, started: Launch
) -> None:
    repository = str(work_tree(started, back="/elsewhere/.git"))
    assert not is_trusted(agent, started, {repository: "TRUST_FOLDER"})


def test_what_is_trusted_stays_with_the_user(agent: Gemini, started: Launch) -> None:
    own = agent.environment(started)
    assert own["GEMINI_CLI_TRUSTED_FOLDERS_PATH"] == (
        f"{started.environment['HOME']}/.gemini/trustedFolders.json"
    )
    assert own["GEMINI_CLI_HOME"] == str(started.folder / "gemini")


# -- before it is brought back -----------------------------------------------------------------


def test_a_result_that_is_written_down_twice_is_said_once(started: Launch) -> None:
    called = line("gemini", "", toolCalls=[{"id": "a", "name": "glob", "result": [RESULT]}])
    again, other = line("user", [RESULT]), line("user", [{"text": "And?"}])
    whole = [json.loads(one) for one in (called, again, other)]
    anew = json.dumps({"$set": {"messages": whole, "lastUpdated": "now"}}) + "\n"
    log = log_of(started)
    log.write_text(called + again + other + anew)
    mend(log)
    (kept,) = log.parent.iterdir()
    first, second, third = kept.read_text().splitlines()
    assert [first, second] == [called.strip(), other.strip()]
    assert json.loads(third)["$set"] == {"messages": [whole[0], whole[2]], "lastUpdated": "now"}


def test_what_was_said_anew_is_held_against_itself(started: Launch) -> None:
    called = line("gemini", "", toolCalls=[{"id": "a", "name": "glob", "result": [RESULT]}])
    call = line("gemini", [{"functionCall": {"id": "a", "name": "glob"}}])
    anew = {"$set": {"messages": [json.loads(call), json.loads(line("user", [RESULT]))]}}
    log = log_of(started)
    log.write_text(called + json.dumps(anew) + "\n")
    before = log.read_text()
    mend(log)
    (kept,) = log.parent.iterdir()
    assert kept.read_text() == before


def test_a_result_without_its_call_stays(started: Launch) -> None:
    log = log_of(started)
    log.write_text(line("user", "Go.") + line("user", [RESULT]))
    before = log.read_text()
    mend(log)
    (kept,) = log.parent.iterdir()
    assert kept.read_text() == before


async def test_its_log_has_another_name_than_any_new_one_would(
    agent: Gemini, started: Launch
) -> None:
    log_of(started).write_text(LOG.read_text())
    log_of(started, "2026-11-21T22-17").write_text('{"sessionId": "x"}\n')  # begun in vain
    for _ in range(2):
        await agent.prepare(started)
        (kept,) = log_of(started).parent.iterdir()
        assert kept == log_of(started, "2026-11-21T22-16-kept")
    assert await agent.resume(started) is not None
