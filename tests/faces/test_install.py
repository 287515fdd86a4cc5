"""`ao install`, for every client: what is written, what is left alone, and what is refused."""

import json
from pathlib import Path

import pytest

from ao_mcp.clients.known import CLIENTS
from faces.client_machine import DAMAGED, WHERE, Desktop, desktop, others

every = pytest.mark.parametrize("client", CLIENTS)
SECRET = "sk-live-0123456789abcdef0123"
THEIRS = {
    "json": '{"{key}": {"ao": {"command": "theirs", "env": {"KEY": "SECRET"}}}}\n',
    "toml": '[{key}.ao]\ncommand = "theirs"\nenv = { KEY = "SECRET" }\n',
    "yaml": "{key}:\n  ao:\n    cmd: theirs\n    envs: {KEY: SECRET}\n",
}


@pytest.fixture
def user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Desktop:
    return desktop(tmp_path, monkeypatch, capsys)


def theirs(client: str) -> str:
    known = CLIENTS[client]
    text = THEIRS["json" if known.kind == "jsonc" else known.kind]
    return text.replace("{key}", known.keys[0]).replace("SECRET", SECRET)


def lines_in_order(before: str, after: str) -> bool:
    """Whether every line is there still; the last of a list may have got its comma."""
    rest = iter(after.splitlines())
    return all(any(one in (line, f"{line},") for one in rest) for line in before.splitlines())


def backups(file: Path) -> list[Path]:
    return sorted(file.parent.glob(f"{file.name}.ao-backup*"))


@every
def test_a_file_that_is_not_there_is_made_for_its_owner_alone(user: Desktop, client: str) -> None:
    file = user.file(client)
    assert not file.exists()
    assert f"Registered with {CLIENTS[client].title}, in {file}." in user.install(client)
    assert file.stat().st_mode & 0o777 == 0o600
    assert user.servers(client).keys() == {"ao"}
    assert backups(file) == []


@every
def test_what_others_wrote_stays_byte_for_byte(user: Desktop, client: str) -> None:
    before = others(CLIENTS[client])
    file = user.write(client, before)
    file.chmod(0o640)
    said = user.install(client)
    after = file.read_text()
    assert user.servers(client).keys() == {"other", "ao"}
    lines = iter(after.splitlines())
    assert all(
        any(line.rstrip(",") == one.rstrip(",") for one in lines) for line in before.splitlines()
    )
    (backup,) = backups(file)
    assert str(backup) in said
    assert (backup.read_text(), backup.stat().st_mode & 0o777) == (before, 0o640)
    assert file.stat().st_mode & 0o777 == 0o640
    user.install(client, "--remove")
    assert file.read_text() == before


@every
def test_doing_it_twice_changes_nothing_and_keeps_no_second_copy(
    user: Desktop, client: str
) -> None:
    file = user.write(client, others(CLIENTS[client]))
    user.install(client)
    after, written = file.read_bytes(), file.stat().st_mtime_ns
    assert "has it already" in user.install(client)
    assert (file.read_bytes(), file.stat().st_mtime_ns) == (after, written)
    assert len(backups(file)) == 1
    user.install(client, "--remove")
    assert len(backups(file)) == 2
    assert "does not have it" in user.install(client, "--remove")
    assert len(backups(file)) == 2


@every
def test_a_file_that_cannot_be_read_is_refused_with_the_place(user: Desktop, client: str) -> None:
    kind = CLIENTS[client].kind
    file = user.write(client, others(CLIENTS[client]))
    for damaged in (DAMAGED[kind], "\x00"):
        file.write_text(damaged)
        for more in ((), ("--force",), ("--remove",)):
            said = user.install(client, *more, status=1)
            assert f"{file} cannot be read, and stays as it is: " in said
            assert f"ao install --client {client} --print" in said
            assert damaged == "\x00" or WHERE[kind] in said
        assert str(file) in user.install(client, "--print")
        assert file.read_text() == damaged
    assert backups(file) == []


@every
def test_somebody_elses_entry_is_told_of_and_replaced_only_by_force(
    user: Desktop, client: str
) -> None:
    file = user.write(client, theirs(client))
    for more in ((), ("--remove",)):
        said = user.install(client, *more, status=1)
        assert f"{file} has another `ao`, which starts `theirs`." in said
        assert "--force" in said
        assert SECRET not in said
    assert (file.read_text(), backups(file)) == (theirs(client), [])
    assert "instead of what was there" in user.install(client, "--force")
    assert SECRET not in file.read_text()
    assert [one.read_text() for one in backups(file)] == [theirs(client)]
    assert "has it already" in user.install(client)
    file.write_text(theirs(client))
    user.install(client, "--remove", "--force")
    assert "ao" not in user.servers(client)


@every
def test_what_is_printed_is_what_a_new_file_would_hold(user: Desktop, client: str) -> None:
    (shown,) = user.told("install", "--client", client, "--print")["clients"]
    assert not Path(shown["file"]).exists()
    printed = user.install(client, "--print")
    assert printed.startswith(shown["text"])
    assert shown["file"] in printed
    user.install(client)
    assert Path(shown["file"]).read_text() == shown["text"]


@every
def test_a_link_to_the_file_stays_a_link(user: Desktop, client: str, tmp_path: Path) -> None:
    file = user.write(client, "")
    kept = tmp_path / "dotfiles" / "settings"
    kept.parent.mkdir()
    kept.write_text(others(CLIENTS[client]))
    file.unlink()
    file.symlink_to(kept)
    user.install(client)
    assert file.is_symlink()
    assert user.servers(client, kept).keys() == {"other", "ao"}
    assert len(backups(kept)) == 1


@every
def test_programs_without_a_shell_get_the_full_path(user: Desktop, client: str) -> None:
    user.install(client)
    entry = user.servers(client)["ao"]
    windowed = client in ("claude-desktop", "vscode", "cursor", "windsurf", "zed", "goose")
    wanted = str(user.program) if windowed else "ao-mcp"
    assert entry.get("command", entry.get("cmd")) in (wanted, [wanted])


@every
def test_ao_mcp_off_path_is_registered_by_its_path(
    user: Desktop, client: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    user.install(client)
    entry = user.servers(client)["ao"]
    (path,) = entry["command"] if client == "opencode" else [entry.get("command", entry.get("cmd"))]
    assert Path(path).resolve() == user.program.resolve()
    monkeypatch.setenv("PATH", str(user.program.parent))
    assert "has it already" in user.install(client)


@pytest.mark.parametrize(
    ("client", "told"),
    [
        ("claude-code", {"type": "stdio", "alwaysLoad": True}),
        ("copilot", {"type": "local", "tools": ["*"], "timeout": 900_000}),
        ("codex", {"tool_timeout_sec": 900}),
        ("gemini", {"timeout": 900_000}),
        ("opencode", {"type": "local", "timeout": 900_000}),
        ("goose", {"type": "stdio", "enabled": True, "name": "ao", "timeout": 900}),
        ("vscode", {"type": "stdio"}),
    ],
)
def test_each_is_told_what_it_needs(user: Desktop, client: str, told: dict[str, object]) -> None:
    user.install(client)
    entry = user.servers(client)["ao"]
    assert {key: entry[key] for key in told} == told


@every
def test_another_home_and_a_configuration_go_along(user: Desktop, client: str) -> None:
    options = ("--home", str(user.home / "other"), "--config", "team.yaml")
    user.ao(*options, "install", "--client", client)
    entry = user.servers(client)["ao"]
    (variables,) = [entry[key] for key in ("env", "envs", "environment") if key in entry]
    assert variables == {"AO_HOME": str(user.home / "other")}
    args = entry.get("args", []) or entry["command"][1:]
    assert args == ["--config", str(user.repository / "team.yaml")]


@every
@pytest.mark.parametrize("scope", ["user", "project"])
def test_the_tools_that_are_wanted_go_along_everywhere(
    user: Desktop, client: str, scope: str
) -> None:
    if scope == "project" and CLIENTS[client].project is None:
        pytest.skip("it reads no file of a repository")
    wish = ("--scope", scope, "--toolsets", "core, flow", "--read-only", "--print")
    (shown,) = user.told("install", "--client", client, *wish)["clients"]
    assert "--toolsets" in shown["text"]
    assert "core,flow" in shown["text"]
    assert "--read-only" in shown["text"]


def test_a_set_of_tools_there_is_none_of_is_refused(user: Desktop) -> None:
    assert "Did you mean `flow`?" in user.install("codex", "--toolsets", "flaw", status=1)
    assert not user.file("codex").exists()


def test_several_are_done_and_the_one_that_is_not_is_told(user: Desktop) -> None:
    user.write("codex", DAMAGED["toml"])
    done = user.told("install", *(f"--client={one}" for one in ("codex", "gemini")), status=1)
    assert [(one["client"], one["state"]) for one in done["clients"]] == [("gemini", "written")]
    assert done["error"]["code"] == "config_invalid"
    said = user.ao("install", "--client", "codex", "--client", "gemini", status=1)
    assert "Gemini CLI has it already" in said
    assert "error: " in said


def test_an_old_copy_is_never_overwritten(user: Desktop) -> None:
    file = user.write("codex", "model = 'x'\n")
    first = file.with_name("config.toml.ao-backup")
    first.write_text("precious")
    done = user.told("install", "--client", "codex")["clients"]
    assert done[0]["backup"] == f"{first}.1"
    assert first.read_text() == "precious"
    assert Path(f"{first}.1").read_text() == "model = 'x'\n"


def test_what_differs_of_our_own_entry_is_named(user: Desktop) -> None:
    user.write("claude-code", json.dumps({"mcpServers": {"ao": {"command": "ao-mcp", "env": {}}}}))
    said = user.install("claude-code", status=1)
    assert "has another `ao`, which differs in `alwaysLoad`, `args`, `env`, `type`." in said
    assert "taken out" in user.install("claude-code", "--remove")


def test_a_bare_name_will_not_do_where_no_shell_is_asked(user: Desktop) -> None:
    user.write("claude-desktop", '{"mcpServers": {"ao": {"command": "ao-mcp", "args": []}}}')
    assert "which starts `ao-mcp`" in user.install("claude-desktop", status=1)


@pytest.mark.parametrize(
    ("client", "text"),
    [
        ("cursor", '{"mcpServers": []}'),
        ("codex", 'mcp_servers = { other = { command = "x" } }\n'),
        ("codex", 'mcp_servers.ao.command = "ao-mcp"\n'),
        ("goose", "extensions: {other: {type: stdio}}\n"),
        ("goose", "extensions: none of your business\n"),
        ("goose", "{extensions: {ao: {cmd: ao-mcp}}}\n"),
    ],
)
def test_what_only_a_person_can_change_is_left_to_one(
    user: Desktop, client: str, text: str
) -> None:
    file = user.write(client, text)
    said = user.install(client, "--force", status=1)
    assert f"{file} has to be changed by a person: " in said
    assert (file.read_text(), backups(file)) == (text, [])


def test_a_file_that_is_no_text_is_refused(user: Desktop) -> None:
    file = user.write("cursor", "")
    file.write_bytes(b'{"a": "\xff"}')
    assert "byte 7 is not text" in user.install("cursor", status=1)
    file.unlink()
    file.mkdir()
    assert "is not a plain file" in user.install("cursor", status=1)


def test_without_a_client_it_says_who_is_here_and_what_to_type(user: Desktop) -> None:
    (user.home / ".codex").mkdir()
    (user.program.parent / "gemini").symlink_to("/bin/true")
    found = {one["client"]: one for one in user.told("install")["clients"]}
    assert found.keys() == CLIENTS.keys()
    assert {name for name, one in found.items() if one["here"]} == {"codex", "gemini"}
    assert {one["state"] for one in found.values()} == {"missing"}
    assert "To register: ao install --client codex --client gemini" in user.ao("install")
    user.install("codex")
    user.install("gemini")
    said = user.ao("install")
    assert f"registered in {user.home / '.codex/config.toml'}" in said
    assert "To register: ao install --client NAME" in said


@pytest.mark.parametrize(
    "options", [["--client", "emacs"], ["--remove"], ["--print"], ["--force"], ["--scope", "all"]]
)
def test_misuse_is_refused(user: Desktop, options: list[str]) -> None:
    assert "hint: " in user.ao("install", *options, status=2)
    assert list(user.home.iterdir()) == []
