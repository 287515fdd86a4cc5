"""A worker gets what its project, its client and the login shell give it, and nothing else."""

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ao_core.engine.environment import Grant, grant, identity, layered, require, with_secrets
from ao_core.errors import CredentialsNeeded

PASSING = [
    "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ",
    "TMPDIR", "COLORTERM", "SSH_AUTH_SOCK", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR",
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
    "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "AO_SHELL",
]  # fmt: skip
FAMILIES = ("LC_", "XDG_")  # of which each name passes
STAYING = [
    "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "OPENAI_API_KEY", "TERM", "TMUX", "LD_PRELOAD",
    "PYTHONPATH", "NODE_OPTIONS", "BASH_ENV", "GIT_DIR", "AO_TOKEN", "AO_SESSION_ID", "AO_HOME",
    "path", "PATH ", "PATH\n", "XPATH", "PATHS", "LC_", "SSH_AUTH_SOCKET", "HTTPS_PROXY_X", "",
]  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_the_allowlist_passes(name: str) -> None:
    assert grant({name: "v"}, []).values == {name: "v"}
    assert layered({}, None, {name: "v"}) == {name: "v"}


@pytest.mark.parametrize("name", STAYING)
def test_nothing_else_passes(name: str) -> None:
    assert grant({name: "v"}, []).values == {}
    assert layered({}, None, {name: "v"}) == {}


@example(dict.fromkeys((*PASSING, *STAYING), "v"), set())
@given(st.dictionaries(st.text(max_size=12), st.just("v")), st.sets(st.text(max_size=12)))
def test_what_passes_is_on_the_list_or_was_named(client: dict[str, str], named: set[str]) -> None:
    passed = grant({**client, "SECRET": "s"}, named)
    assert "SECRET" not in passed.values or "SECRET" in named
    plain = {name for name in passed.values if not name.startswith(FAMILIES)}
    assert plain <= set(PASSING) | named
    assert set(passed.credentials) == named & client.keys()


def test_a_credential_passes_if_it_is_named_and_is_remembered_by_name() -> None:
    client = {"B_KEY": "b", "A_KEY": "a", "OTHER_KEY": "o", "PATH": "/bin"}
    granted = grant(client, ["B_KEY", "A_KEY", "ABSENT_KEY"])
    assert granted.values == {"B_KEY": "b", "A_KEY": "a", "PATH": "/bin"}
    assert granted.credentials == ("A_KEY", "B_KEY")


def test_a_grant_never_shows_its_values() -> None:
    assert "hush" not in repr(grant({"A_KEY": "hush"}, ["A_KEY"]))


def test_a_projects_secrets_count_as_credentials() -> None:
    granted = with_secrets(Grant({"A": "a"}, ("A",)), {"S": "s", "A": "b"})
    assert granted == Grant({"A": "b", "S": "s"}, ("A", "S"))


def test_the_project_wins_over_the_client_and_the_client_over_the_shell() -> None:
    login = {"PATH": "login", "LANG": "login", "TZ": "login"}
    granted = Grant({"PATH": "client", "LANG": "client"})
    assert layered({"PATH": "project"}, granted, login) == {
        "PATH": "project", "LANG": "client", "TZ": "login",
    }  # fmt: skip
    assert layered({}, None, login) == login


def test_a_credential_of_the_login_shell_does_not_pass() -> None:
    granted = grant({}, ["A_KEY"])
    assert layered({}, granted, {"A_KEY": "hush"}) == {}


def test_a_session_starts_again_with_all_its_credentials_or_not_at_all() -> None:
    require(["A_KEY"], {"A_KEY": "", "PATH": "/bin"})
    require([], {})
    with pytest.raises(CredentialsNeeded) as needed:
        require(["B_KEY", "A_KEY", "C_KEY"], {"C_KEY": "hush"})
    assert "A_KEY, B_KEY" in needed.value.message
    assert "C_KEY" not in needed.value.message
    assert "hush" not in str(needed.value.wire())
    assert needed.value.hint


def test_a_worker_knows_who_it_is_whatever_its_environment_says() -> None:
    given = {"AO_TOKEN": "forged", "AO_SESSION_ID": "app-9", "PATH": "/bin", "TERM": "xterm"}
    made = identity(
        given, session="app-1", project="app", issue="7", spool=Path("/s"), socket=Path("/k"),
        token="t", wrappers=[Path("/w")],
    )  # fmt: skip
    assert made == {
        "AO_SESSION_ID": "app-1", "AO_PROJECT_ID": "app", "AO_ISSUE_ID": "7", "AO_TOKEN": "t",
        "AO_SPOOL": "/s", "AO_SOCKET": "/k", "PATH": "/w:/bin", "TERM": "xterm",
        "COLORTERM": "truecolor",
    }  # fmt: skip


def test_a_worker_without_issue_or_path_has_a_usable_environment() -> None:
    made = identity(
        {}, session="app-1", project="app", issue=None, spool=Path("/s"), socket=Path("/k"),
        token="t", wrappers=[Path("/w"), Path("/v")],
    )  # fmt: skip
    assert "AO_ISSUE_ID" not in made
    assert made["PATH"].startswith("/w:/v:/usr/")
    assert made["TERM"]
