"""`ao doctor` on clients: registered, not, with another program, with one that is gone."""

import json
from pathlib import Path

import pytest

from ao_mcp.cli import client_checks
from ao_mcp.cli.checks import Check
from ao_mcp.cli.place import place
from faces.client_machine import DAMAGED, Desktop, desktop


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desktop:
    return desktop(tmp_path, monkeypatch, capsys)


def checked() -> dict[str, Check]:
    return {one.name: one for one in client_checks.clients(place(None, None, None))}


def test_only_clients_that_are_here_are_checked(user: Desktop) -> None:
    assert checked().keys() == {"mcp"}
    (user.home / ".codex").mkdir()
    (user.program.parent / "claude").symlink_to("/bin/true")
    found = checked()
    assert found.keys() == {"mcp", "mcp codex", "mcp claude-code"}
    assert (found["mcp codex"].state, found["mcp codex"].remedy) == (
        "note", "ao install --client codex",
    )  # fmt: skip
    user.install("codex")
    assert checked()["mcp codex"] == Check(
        "mcp codex", "ok", f"registered in {user.home / '.codex/config.toml'}"
    )


def test_a_program_that_is_gone_or_another_is_a_warning(user: Desktop, tmp_path: Path) -> None:
    other = tmp_path / "other-ao-mcp"
    other.write_text("#!/bin/sh\n")
    file = user.write("codex", "")
    for command, words in ((other, "starts another program"), ("/gone/ao-mcp", "not there")):
        file.write_text(f'[mcp_servers.ao]\ncommand = "{command}"\n')
        other.chmod(0o755)
        check = checked()["mcp codex"]
        assert (check.state, check.remedy) == ("warn", "ao install --client codex --force")
        assert words in check.found
        assert str(command) in check.found


def test_a_file_that_cannot_be_read_is_a_warning(user: Desktop) -> None:
    file = user.write("codex", DAMAGED["toml"])
    check = checked()["mcp codex"]
    assert (check.state, str(file) in check.found) == ("warn", True)
    assert "line 2" in check.found


def test_a_registration_in_the_repository_counts(user: Desktop) -> None:
    (user.home / ".cursor").mkdir()
    user.install("cursor", "--scope", "project")
    assert checked()["mcp cursor"].state == "ok"
    user.write("cursor", '{"mcpServers": {"ao": {"command": "/gone/ao-mcp"}}}')
    assert checked()["mcp cursor"].state == "ok"


def test_what_claude_code_registered_for_this_folder_counts(user: Desktop) -> None:
    project = {str(user.repository): {"mcpServers": {"ao": {"command": "ao-mcp"}}}}
    user.write("claude-code", json.dumps({"projects": project}))
    assert checked()["mcp claude-code"].state == "ok"
    user.write("claude-code", json.dumps({"projects": {"/elsewhere": project}}))
    assert checked()["mcp claude-code"].state == "note"


def test_ao_mcp_that_no_path_leads_to_is_told(
    user: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checked()["mcp"].state == "ok"
    monkeypatch.setenv("PATH", "/nowhere")
    assert checked()["mcp"].state == "warn"


def test_doctor_itself_shows_them(user: Desktop) -> None:
    user.install("zed")
    checks = {one["name"]: one["state"] for one in user.told("doctor")["checks"]}
    assert (checks["mcp"], checks["mcp zed"]) == ("ok", "ok")
