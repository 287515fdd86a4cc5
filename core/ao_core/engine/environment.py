"""What a worker's environment is made of, and in which order.

The project's own `env` wins, then what the spawning client has and the allowlist names, then the
login shell's. Nothing of it is ever stored; a session only remembers the names it was given.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ao_core.errors import CredentialsNeeded

_ALLOWED = re.compile(
    r"^(PATH|HOME|USER|LOGNAME|SHELL|LANG|LANGUAGE|LC_[A-Z]+|TZ|TMPDIR|COLORTERM"
    r"|SSH_AUTH_SOCK|XDG_[A-Z_]+|(HTTP|HTTPS|FTP|ALL|NO)_PROXY|(http|https|ftp|all|no)_proxy"
    r"|SSL_CERT_FILE|SSL_CERT_DIR|NODE_EXTRA_CA_CERTS|REQUESTS_CA_BUNDLE|AO_SHELL)$"
)
USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"
_TERMINAL = {"TERM": "tmux-256color", "COLORTERM": "truecolor"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What one worker may have of its client's environment."""

    values: Mapping[str, str] = field(repr=False)
    credentials: tuple[str, ...] = ()


def grant(client: Mapping[str, str], names: Iterable[str]) -> Grant:
    """The allowlisted part of a client's environment, and which credentials were in it."""
    wanted = frozenset(names)
    values = {name: text for name, text in client.items() if _allowed(name, wanted)}
    return Grant(values, tuple(sorted(wanted & values.keys())))


def with_secrets(granted: Grant, secrets: Mapping[str, str]) -> Grant:
    """The same, with what the project's references to secrets were found to be."""
    names = {*granted.credentials, *secrets}
    return Grant({**granted.values, **secrets}, tuple(sorted(names)))


def _allowed(name: str, wanted: frozenset[str]) -> bool:
    return name in wanted or _ALLOWED.fullmatch(name) is not None


def layered(
    project: Mapping[str, str], granted: Grant | None, login: Mapping[str, str]
) -> dict[str, str]:
    """The layers in order, the last one first."""
    shell = {name: text for name, text in login.items() if _allowed(name, frozenset())}
    return {**shell, **(granted.values if granted else {}), **project}


def require(credentials: Iterable[str], environment: Mapping[str, str]) -> None:
    """Refuse to start with less than the session was first given."""
    missing = sorted(set(credentials) - environment.keys())
    if missing:
        raise CredentialsNeeded(
            f"The session was started with {', '.join(missing)}, which the engine no longer has.",
            hint="Call `restore` from a client whose environment has them.",
        )


def identity(
    environment: Mapping[str, str],
    *,
    session: str,
    project: str,
    issue: str | None,
    spool: Path,
    socket: Path,
    token: str,
    wrappers: Sequence[Path],
) -> dict[str, str]:
    """Add what tells a worker who it is and how to reach the engine."""
    path = environment.get("PATH", USUAL_PATH)
    known = {
        "AO_SESSION_ID": session,
        "AO_PROJECT_ID": project,
        "AO_SPOOL": str(spool),
        "AO_SOCKET": str(socket),
        "AO_TOKEN": token,
        "PATH": ":".join([*map(str, wrappers), path]),
    }
    issued = {"AO_ISSUE_ID": issue} if issue else {}
    return {**_TERMINAL, **environment, **known, **issued}
