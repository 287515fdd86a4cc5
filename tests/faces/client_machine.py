"""A user's machine for `ao install`: a home of its own, `ao-mcp` on PATH, a repository to be in."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ao_mcp.cli.run import run
from ao_mcp.clients.client import Client
from ao_mcp.clients.form import form
from ao_mcp.clients.known import CLIENTS

VARIABLES = (
    "AO_CONFIG_PATH", "AO_HOME", "APPDATA", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME",
    "FLATPAK_XDG_CONFIG_HOME", "GEMINI_CLI_HOME", "GOOSE_PATH_ROOT", "VSCODE_APPDATA",
    "VSCODE_PORTABLE", "XDG_CONFIG_HOME",
)  # fmt: skip

# what people have: other servers, comments, habits of their own. {key} is where servers are
_JSON = """{
\t"theme": "dark",
\t"{key}": {
\t\t"other": {"command": "x", "args": []}
\t},
\t"last": null
}"""
_JSONC = """// mine
{
    // servers
    "{key}": {
        "other": {"command": "x"}, // behind
        /* below */
    },
    "theme": "dark", // last
}
"""
_TOML = """# mine
model = 'x' # the one

[{key}.other]
command = "x"

# about the screen
[tui]
keys = [
  [1, 2],
]
"""
_YAML = """# mine
GOOSE_MODE: auto # quietly
{key}:
    # tools
    other:
        type: stdio
        cmd: x
        args:
        - one

# the end
last: |
  text
"""
OTHERS = {"json": _JSON, "jsonc": _JSONC, "toml": _TOML, "yaml": _YAML}
DAMAGED = {
    "json": '{\n  "a": 1,\n}\n',
    "jsonc": '{\n  // unfinished\n  "a" 1\n}\n',
    "toml": "a = 1\nb = = 2\n",
    "yaml": "a: 1\nb: [1\n",
}
WHERE = {
    "json": "line 2, column 9", "jsonc": "line 3, column 7",
    "toml": "line 2, column 5", "yaml": "line 3, column 1",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Desktop:
    """The user's folders, and `ao` as they would call it."""

    home: Path
    repository: Path
    program: Path
    capsys: pytest.CaptureFixture[str]

    def ao(self, *arguments: str, status: int = 0) -> str:
        """One command; what it says on both streams."""
        assert run(arguments) == status, self.capsys.readouterr()
        said = self.capsys.readouterr()
        return said.out + said.err

    def told(self, *arguments: str, status: int = 0) -> dict[str, Any]:
        """What a command says to programs."""
        assert run([*arguments, "--json"]) == status
        return json.loads(self.capsys.readouterr().out)

    def install(self, client: str, *more: str, status: int = 0) -> str:
        return self.ao("install", "--client", client, *more, status=status)

    def file(self, client: str) -> Path:
        """Where its user's registration goes."""
        (shown,) = self.told("install", "--client", client, "--print")["clients"]
        return Path(shown["file"])

    def write(self, client: str, text: str) -> Path:
        file = self.file(client)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode())
        return file

    def servers(self, client: str, file: Path | None = None) -> dict[str, Any]:
        """The servers in its file, as it would read them."""
        known = CLIENTS[client]
        data: Any = form(known.kind).read((file or self.file(client)).read_text())
        for key in known.keys:
            data = data.get(key, {})
        return data


def desktop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desktop:
    """A machine without any client; `ao-mcp` is linked to, as pipx does it."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    home, repository, tools = (tmp_path / name for name in ("user", "sample", "bin"))
    for folder in (home, repository / ".git", tools):
        folder.mkdir(parents=True)
    (tools / "ao-mcp").symlink_to(Path(sys.executable).with_name("ao-mcp"))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tools}:{os.defpath}")
    monkeypatch.chdir(repository)
    return Desktop(home, repository, tools / "ao-mcp", capsys)


def others(client: Client) -> str:
    """A file of that client's, with servers of others in it."""
    return OTHERS[client.kind].replace("{key}", client.keys[0])
