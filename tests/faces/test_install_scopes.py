"""Where each client's file is: by system, by its variables, for a user and for a repository."""

import json
from pathlib import Path

import pytest

from ao_core import platform
from ao_mcp.clients.known import CLIENTS
from ao_mcp.clients.machine import Machine
from faces.client_machine import Desktop, desktop


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desktop:
    return desktop(tmp_path, monkeypatch, capsys)


LINUX = {
    "claude-code": "~/.claude.json",
    "claude-desktop": "~/.config/Claude/claude_desktop_config.json",
    "vscode": "~/.config/Code/User/mcp.json",
    "copilot": "~/.copilot/mcp-config.json",
    "cursor": "~/.cursor/mcp.json",
    "codex": "~/.codex/config.toml",
    "gemini": "~/.gemini/settings.json",
    "opencode": "~/.config/opencode/opencode.json",
    "windsurf": "~/.codeium/windsurf/mcp_config.json",
    "zed": "~/.config/zed/settings.json",
    "goose": "~/.config/goose/config.yaml",
}
MACOS = LINUX | {
    "claude-desktop": "~/Library/Application Support/Claude/claude_desktop_config.json",
    "vscode": "~/Library/Application Support/Code/User/mcp.json",
}
WINDOWS = LINUX | {
    "claude-desktop": "~/AppData/Roaming/Claude/claude_desktop_config.json",
    "vscode": "~/AppData/Roaming/Code/User/mcp.json",
    "zed": "~/AppData/Roaming/Zed/settings.json",
    "goose": "~/AppData/Roaming/Block/goose/config/config.yaml",
}
PROJECT = {
    "claude-code": ".mcp.json",
    "copilot": ".mcp.json",
    "vscode": ".vscode/mcp.json",
    "cursor": ".cursor/mcp.json",
    "codex": ".codex/config.toml",
    "gemini": ".gemini/settings.json",
    "opencode": "opencode.json",
    "zed": ".zed/settings.json",
}


@pytest.mark.parametrize(
    ("system", "places"),
    [("linux", LINUX), ("wsl", LINUX), ("macos", MACOS), ("windows", WINDOWS)],
)
def test_every_system_has_its_places(system: platform.System, places: dict[str, str]) -> None:
    machine = Machine({"HOME": "/h", "USERPROFILE": "/h"}, None, system)
    found = {name: one.places(machine, "user")[-1] for name, one in CLIENTS.items()}
    assert found == {name: Path(place.replace("~", "/h")) for name, place in places.items()}


@pytest.mark.parametrize(
    ("variable", "system", "client", "file"),
    [
        ("CLAUDE_CONFIG_DIR", "linux", "claude-code", ".claude.json"),
        ("CODEX_HOME", "linux", "codex", "config.toml"),
        ("COPILOT_HOME", "macos", "copilot", "mcp-config.json"),
        ("GEMINI_CLI_HOME", "linux", "gemini", ".gemini/settings.json"),
        ("GOOSE_PATH_ROOT", "linux", "goose", "config/config.yaml"),
        ("XDG_CONFIG_HOME", "linux", "goose", "goose/config.yaml"),
        ("XDG_CONFIG_HOME", "linux", "zed", "zed/settings.json"),
        ("XDG_CONFIG_HOME", "linux", "opencode", "opencode/opencode.json"),
        ("XDG_CONFIG_HOME", "linux", "vscode", "Code/User/mcp.json"),
        ("XDG_CONFIG_HOME", "linux", "claude-desktop", "Claude/claude_desktop_config.json"),
        ("FLATPAK_XDG_CONFIG_HOME", "linux", "zed", "zed/settings.json"),
        ("VSCODE_APPDATA", "macos", "vscode", "Code/User/mcp.json"),
        ("VSCODE_PORTABLE", "linux", "vscode", "user-data/User/mcp.json"),
        ("APPDATA", "windows", "vscode", "Code/User/mcp.json"),
        ("APPDATA", "windows", "goose", "Block/goose/config/config.yaml"),
    ],
)
def test_a_clients_own_variable_moves_its_file(
    variable: str, system: platform.System, client: str, file: str
) -> None:
    machine = Machine({"HOME": "/h", variable: "/moved"}, None, system)
    assert CLIENTS[client].places(machine, "user")[-1] == Path("/moved", file)
    relative = Machine({"HOME": "/h", "USERPROFILE": "/h", variable: "moved"}, None, system)
    assert CLIENTS[client].places(relative, "user")[-1].is_relative_to("/h")


@pytest.mark.parametrize("client", CLIENTS)
def test_a_repositorys_file_says_nothing_of_this_machine(user: Desktop, client: str) -> None:
    deep = user.repository / "deep"
    deep.mkdir()
    options = ("--home", str(user.home), "install", "--client", client, "--scope", "project")
    if client not in PROJECT:
        assert "reads no file of a repository" in user.ao(*options, status=1)
        return
    user.ao(*options)
    file = user.repository / PROJECT[client]
    assert str(user.home.parent) not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o644
    assert list(user.home.iterdir()) == []


def test_the_top_of_the_repository_is_meant(user: Desktop, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = user.repository / "deep" / "er"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    user.install("cursor", "--scope", "project")
    assert (user.repository / ".cursor" / "mcp.json").is_file()


def test_clients_that_share_a_file_share_the_entry(user: Desktop) -> None:
    user.install("claude-code", "--scope", "project")
    assert "Copilot CLI has it already" in user.install("copilot", "--scope", "project")
    entry = json.loads((user.repository / ".mcp.json").read_text())["mcpServers"]["ao"]
    assert (entry["tools"], entry["alwaysLoad"]) == (["*"], True)


def test_the_file_that_is_there_is_the_one_that_is_changed(user: Desktop) -> None:
    folder = user.home / ".config" / "opencode"
    folder.mkdir(parents=True)
    (folder / "opencode.jsonc").write_text("{}\n")
    user.install("opencode")
    assert "ao-mcp" in (folder / "opencode.jsonc").read_text()
    assert not (folder / "opencode.json").exists()


def test_the_file_that_has_the_entry_comes_first(user: Desktop) -> None:
    folder = user.home / ".config" / "opencode"
    user.install("opencode")
    (folder / "opencode.jsonc").write_text("{}\n")
    user.install("opencode", "--remove")
    assert json.loads((folder / "opencode.json").read_text()) == {"mcp": {}}
    assert (folder / "opencode.jsonc").read_text() == "{}\n"


def test_claude_codes_old_file_is_used_where_it_still_is(user: Desktop) -> None:
    old = user.home / ".claude" / ".config.json"
    old.parent.mkdir()
    old.write_text("{}")
    user.install("claude-code")
    assert "ao-mcp" in old.read_text()
    assert not (user.home / ".claude.json").exists()
