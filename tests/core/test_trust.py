"""What bears code is trusted by a person, as it stands, or not used."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ao_core.config.load import load, project
from ao_core.config.models import EffectiveProject
from ao_core.config.trust import code_digest, is_trusted, require, trust
from ao_core.errors import NotTrusted
from ao_core.store.contract import Store
from ao_core.store.sqlite import SqliteStore
from ao_core.testing.clock import FakeClock


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with SqliteStore(tmp_path / "store.db", FakeClock()) as opened:
        yield opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "app" / ".git").mkdir(parents=True)
    return tmp_path / "app" / "agent-orchestrator.yaml"


def app(path: Path, text: str, home: Path | None = None, **environment: str) -> EffectiveProject:
    path.write_text(text)
    return project(load(path, environment=environment, home=home), "app")


@pytest.mark.parametrize(
    "settings",
    [
        "gates: [make test]",
        "postCreate: [npm ci]",
        "symlinks: [.env]",
        "allowCommands: [make]",
        "permissionRules: [{decision: allow, tool: '*'}]",
        "permission_rules: []",
        "credentials: [GITHUB_TOKEN]",
        "env: {PATH: ./evil}",
        "agent: ./mine.py:Mine",
        "tracker: package.module:Mine",
        "tracker: '${TRACKER:-x}'",
        "notifiers: [lead, ./mine.py:Mine]",
        "{agent: command, agentConfig: {command: evil}}",
        "{agent: command, agentConfig: {preset: worker, protocol: evil}}",
        "{agent: command, agentConfig: {preset: worker, modes: {default: bypass}}}",
        "{agent: command, agentConfig: {baseUrl: 'http://evil.test'}}",
        "agentConfig: {permissions: permissionless}",
        "agentConfig: {permissions: '${MODE:-permissionless}'}",
        "worker: {agent: {plugin: command, command: [sh, -c, evil]}}",
        "scm: {plugin: forge, url: 'http://evil.test', token: '${TOKEN:-}'}",
        "agentRulesFile: ../../secret",
        "reactions: {approved-and-green: {auto: true, action: auto-merge}}",
    ],
)
def test_what_can_run_code_or_use_credentials_has_to_be_trusted(settings: str, path: Path) -> None:
    (path.parent.parent.parent / "secret").touch()
    body = settings if settings.startswith("{") else f"{{{settings}}}"
    assert app(path, f"projects:\n  app: {body}").code != ()


@pytest.mark.parametrize(
    "settings",
    [
        "path: .",
        "agent: claude-code",
        "{agent: command, agentConfig: {preset: worker, permissions: suggest, model: big}}",
        "{runtime: {plugin: tmux, columns: 100}, notifiers: [lead]}",
        "reactions: {ci-failed: {retries: 3}, agent-stuck: {action: notify}}",
        "{agentRules: 'see ./mine.py:Mine', defaultBranch: dev, sessionPrefix: x}",
    ],
)
async def test_what_cannot_needs_no_trust(settings: str, path: Path, store: Store) -> None:
    body = settings if settings.startswith("{") else f"{{{settings}}}"
    found = app(path, f"projects:\n  app: {body}")
    assert found.code == ()
    await require(store, path, found)


def test_settings_outside_projects_count_as_well(path: Path) -> None:
    text = (
        "env: {A: b}\n"
        "plugins: [{name: mine, slot: scm, path: ./mine.py:Mine}]\n"
        "defaults: {worker: {agent: ./mine.py:Mine}}\n"
        "notifiers: {x: {plugin: hook, url: 'http://x.test'}}\n"
        "notificationRouting: {urgent: [./mine.py:Mine]}\n"
        "reactions: {approved-and-green: {action: auto-merge}}\n"
        "projects: {app: {}}\n"
    )
    assert [line.partition(":")[0] for line in app(path, text).code] == [
        "env",
        "plugins",
        "reactions.approved-and-green",
        "defaults.worker.agent",
        "notifiers.x",
        "notificationRouting.urgent",
        f"file {path.parent}/mine.py",
    ]


async def test_trust_is_for_this_content_in_this_file(path: Path, store: Store) -> None:
    first = app(path, "projects: {app: {gates: [make test]}}")
    with pytest.raises(NotTrusted) as caught:
        await require(store, path, first)
    assert "projects.app.gates" in caught.value.message
    assert caught.value.hint is not None
    assert "ao trust app" in caught.value.hint
    digest = code_digest(first).digest
    await trust(store, FakeClock(), path, digest)
    await trust(store, FakeClock(), path, digest)
    await require(store, path, first)
    await require(store, path, app(path, "port: 4000\nprojects: {app: {gates: [make test]}}"))
    assert not await is_trusted(store, path.with_name("other.yaml"), digest)
    with pytest.raises(NotTrusted):
        await require(store, path, app(path, "projects: {app: {gates: [make evil]}}"))


async def test_two_projects_of_one_file_are_trusted_apart(path: Path, store: Store) -> None:
    text = "projects: {app: {path: ., gates: [a]}, other: {path: /other, gates: [b]}}"
    first = app(path, text)
    second = project(load(path, environment={}), "other")
    await trust(store, FakeClock(), path, code_digest(first).digest)
    await require(store, path, first)
    with pytest.raises(NotTrusted):
        await require(store, path, second)
    await trust(store, FakeClock(), path, code_digest(second).digest)
    await require(store, path, first)


def test_a_changed_plugin_file_asks_again(path: Path) -> None:
    text = "projects: {app: {agent: ./mine.py:Mine}}"
    digests: set[str] = set()
    for source in (None, "a = 1", "a = 2"):
        if source:
            (path.parent / "mine.py").write_text(source)
        digests.add(code_digest(app(path, text)).digest)
    assert len(digests) == 3


def test_another_environment_does_not_ask_again_and_no_secret_is_shown(path: Path) -> None:
    text = (
        "projects: {app: {env: {A: '${A}', TOKEN: hunter2}, "
        "scm: {plugin: x, token: '${A:-hunter2}'}}}"
    )
    one, two = app(path, text, A="1"), app(path, text, A="2")
    assert one.code == two.code
    assert "${A}" in " ".join(one.code)
    assert "hunter2" not in " ".join(one.code)
    other = app(path, text.replace("hunter2", "hunter3"), A="1")
    assert code_digest(other) != code_digest(one)


def test_a_persons_own_configuration_needs_no_trust(path: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    own = "env: {A: b}\nprojects: {app: {path: /app, gates: [make]}}"
    (home / "config.yaml").write_text(own)
    assert app(home / "config.yaml", own, home).code == ()
    merged = app(path, "projects: {app: {path: ., symlinks: [x]}}", home)
    assert merged.code == ('projects.app.symlinks: ["x"]',)
    assert [gate.name for gate in merged.gates] == ["make"]
