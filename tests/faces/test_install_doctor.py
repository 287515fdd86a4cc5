"""`ao doctor` on clients: registered, not, switched off, another program, one that is gone.

Every row is in the form that its client reads.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from ao_mcp.cli import client_checks
from ao_mcp.cli.checks import Check
from ao_mcp.cli.place import place
from ao_mcp.clients.form import form
from ao_mcp.clients.known import CLIENTS
from faces.client_machine import DAMAGED, Desktop, desktop

ADDRESS = "http://127.0.0.1:7345/mcp/app"
# how each writes an address
REMOTE: Mapping[str, Mapping[str, Any]] = {
    "claude-code": {"type": "http", "url": ADDRESS, "headers": {"Authorization": "Bearer x"}},
    "claude-desktop": {"url": ADDRESS},
    "vscode": {"type": "http", "url": ADDRESS, "headers": {"Authorization": "Bearer x"}},
    "copilot": {"type": "http", "url": ADDRESS, "tools": ["*"]},
    "cursor": {"url": ADDRESS, "headers": {"Authorization": "Bearer x"}},
    "codex": {"url": ADDRESS, "bearer_token_env_var": "AO_HTTP"},
    "gemini": {"httpUrl": ADDRESS, "headers": {"Authorization": "Bearer x"}},
    "opencode": {"type": "remote", "url": ADDRESS, "headers": {"Authorization": "Bearer x"}},
    "windsurf": {"serverUrl": ADDRESS},
    "zed": {"url": ADDRESS, "headers": {"Authorization": "Bearer x"}},
    "goose": {"type": "streamable_http", "name": "ao", "enabled": True, "uri": ADDRESS},
}
ENABLED = ("codex", "opencode", "zed", "goose")
SHARED = sorted(name for name, one in CLIENTS.items() if one.project)


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desktop:
    return desktop(tmp_path, monkeypatch, capsys)


def checked() -> dict[str, Check]:
    return {one.name: one for one in client_checks.clients(place(None, None, None))}


def started(client: str, *args: str, **more: object) -> dict[str, object]:
    """An entry that starts our `ao-mcp`, as that client writes it."""
    match client:
        case "opencode":
            return {"type": "local", "command": ["ao-mcp", *args], **more}
        case "goose":
            return {"type": "stdio", "cmd": "ao-mcp", "args": [*args], **more}
        case _:
            return {"command": "ao-mcp", "args": [*args], **more}


def text(client: str, entry: Mapping[str, object]) -> str:
    known = CLIENTS[client]
    return form(known.kind).put("", known.keys, "ao", entry)


def judged(user: Desktop, client: str, entry: Mapping[str, object]) -> Check:
    user.write(client, text(client, entry))
    return checked()[f"mcp {client}"]


def share(user: Desktop, client: str, entry: Mapping[str, object]) -> Path:
    """Write what the repository says."""
    project = CLIENTS[client].project
    assert project
    file = user.repository / project
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text(client, entry))
    return file


every = pytest.mark.parametrize("client", CLIENTS)


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


@every
def test_an_address_is_a_registration_too(user: Desktop, client: str) -> None:
    check = judged(user, client, REMOTE[client])
    assert (check.state, check.remedy) == ("ok", None)
    assert ADDRESS in check.found


@every
@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("http://u:p4ss@localhost:7345/mcp?token=s3cret", "token in the address"),
        ("http://localhost:7345/mcp?toolsets=flaw", "no toolset"),
        ("localhost:7345/mcp", "no address of HTTP"),
        ("http://[::1/mcp", "no address of HTTP"),
    ],
)
def test_an_address_that_cannot_work_is_told_without_its_secrets(
    user: Desktop, client: str, address: str, told: str
) -> None:
    entry = {key: address if one == ADDRESS else one for key, one in REMOTE[client].items()}
    check = judged(user, client, entry)
    assert check.state == "warn"
    assert told in check.found
    assert "s3cret" not in check.found
    assert "p4ss" not in check.found
    assert "--force" not in str(check.remedy)


@every
def test_what_is_switched_off_is_not_registered(user: Desktop, client: str) -> None:
    off = {"enabled": False} if client in ENABLED else {"disabled": True}
    for entry in (started(client, **off), {**REMOTE[client], **off}):
        check = judged(user, client, entry)
        assert (check.state, check.remedy) == ("note", "Switch it on in that file.")
        assert "switched off" in check.found
    on = {"enabled": True} if client in ENABLED else {"disabled": False}
    assert judged(user, client, started(client, **on)).state == "ok"


@pytest.mark.parametrize(
    ("client", "name"),
    [("copilot", "tools"), ("codex", "enabled_tools"), ("gemini", "includeTools")],
)
def test_who_offers_none_of_its_tools_is_told_of(user: Desktop, client: str, name: str) -> None:
    check = judged(user, client, {**started(client), name: []})
    assert check.state == "note"
    assert f"none of its tools, by `{name}`" in check.found
    assert judged(user, client, {**started(client), name: ["*"]}).state == "ok"


@every
@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--toolsets", "nonsense"), "no toolset 'nonsense'"),
        (("--toolsets",), "make no sense"),
        (("--worker",), "make no sense"),
        (("serve",), "make no sense"),
    ],
)
def test_arguments_that_our_program_refuses_are_told(
    user: Desktop, client: str, args: tuple[str, ...], told: str
) -> None:
    check = judged(user, client, started(client, *args))
    assert (check.state, told in check.found) == ("warn", True), check
    fine = ("--toolsets=core,flow", "--read-only", "--config", "team.yaml")
    assert judged(user, client, started(client, *fine)).state == "ok"


@every
def test_an_entry_that_leads_nowhere_is_told(user: Desktop, client: str) -> None:
    check = judged(user, client, {"name": "ao"})
    assert check.state == "warn"
    assert "names neither a program nor an address" in check.found


@pytest.mark.parametrize("client", SHARED)
def test_the_repositorys_entry_goes_before_the_users(user: Desktop, client: str) -> None:
    user.write(client, text(client, started(client)))
    key = "enabled" if client in ENABLED else "disabled"
    rows = [
        (started(client) | gone(client), "warn", f"--client {client} --scope project --force"),
        (started(client, **{key: key == "disabled"}), "note", "Switch it on"),
        (started(client, "--toolsets", "x"), "warn", "--scope project --print"),
    ]
    for entry, state, remedy in rows:
        file = share(user, client, entry)
        check = checked()[f"mcp {client}"]
        assert (check.state, str(file) in check.found) == (state, True), check
        assert remedy in str(check.remedy)
    share(user, client, started(client))
    user.write(client, text(client, started(client) | gone(client)))
    assert checked()[f"mcp {client}"].state == "ok"


def gone(client: str) -> dict[str, object]:
    return {"command": ["/gone/ao-mcp"] if client == "opencode" else "/gone/ao-mcp"}


@pytest.mark.parametrize("client", ["codex", "opencode"])
def test_where_a_client_merges_both_the_repository_says_only_what_differs(
    user: Desktop, client: str
) -> None:
    user.write(client, text(client, started(client)))
    file = share(user, client, {"enabled": False})
    assert str(file) in checked()[f"mcp {client}"].found
    assert checked()[f"mcp {client}"].state == "note"
    share(user, client, {"enabled": True})
    assert checked()[f"mcp {client}"].state == "ok"


def test_what_claude_code_has_for_this_folder_goes_before_the_repositorys(user: Desktop) -> None:
    share(user, "claude-code", started("claude-code"))
    broken = {str(user.repository): {"mcpServers": {"ao": gone("claude-code")}}}
    good = {"mcpServers": {"ao": started("claude-code")}}
    user.write("claude-code", json.dumps({"projects": broken, **good}))
    check = checked()["mcp claude-code"]
    assert (check.state, check.remedy) == ("warn", "claude mcp remove --scope local ao")


def test_an_address_that_is_in_the_way_of_a_registration_is_told(user: Desktop) -> None:
    user.write("cursor", text("cursor", {"url": f"{ADDRESS}?token=s3cret"}))
    said = user.install("cursor", status=1)
    assert f"another `ao`, which leads to {ADDRESS}." in said
    assert "s3cret" not in said


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
