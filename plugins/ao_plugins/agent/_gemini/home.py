"""A home of Gemini CLI's own for each session: the user's, seen through links, and our settings.

Its other overlay, the system's settings, must belong to root. See GEMINI_CLI_HOME at
https://geminicli.com/docs/reference/configuration/
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from ao_core.files import write_atomic
from ao_plugins._jsonc import Settings, listed, part, read, text_of

FOLDER, SETTINGS, TRUST = ".gemini", "settings.json", "trustedFolders.json"
_CONTEXT = "GEMINI.md"
_OWN = frozenset({SETTINGS, "tmp", "history", "projects.json", "projects.json.lock"})
_LOGINS = (  # linked before they are there, so that a login is the user's wherever it is made
    "oauth_creds.json", "google_accounts.json", "gemini-credentials.json", "installation_id",
    "mcp-oauth-tokens.json",
)  # fmt: skip
_BESIDE = (".env", ".agents")
_WAIT = 10_000  # milliseconds that a hook may take

_FIXED: Mapping[str, Mapping[str, Any]] = {
    "general": {
        "enableAutoUpdate": False, "enableAutoUpdateNotification": False, "vimMode": False,
        # it would forget the conversation with what it began in vain under the same id
        "sessionRetention": {"enabled": False},
    },
    "ui": {"useAlternateBuffer": False, "useBackgroundColor": True},
}  # fmt: skip
_POLICY = """\
[[rule]]
mcpName = "ao"
toolName = "*"
decision = "allow"
priority = 900

[[rule]]
toolName = "ask_user"
decision = "deny"
priority = 900
"""
_FACE_ENV = {name: f"${name}" for name in ("AO_SOCKET", "AO_TOKEN", "AO_SPOOL")}


@dataclass(frozen=True, slots=True)
class Ours:
    """What a session adds to what its user has set.

    `face` is the command of the server with a worker's tools; by protocol it is handed over.
    """

    instructions: Path
    face: Sequence[str] = ()
    hooks: Mapping[str, str] = field(default_factory=dict[str, str])  # and what a shell runs
    spoken: bool = False


def user_home(environment: Mapping[str, str]) -> Path:
    """Where Gemini CLI looks for the user's own folder."""
    given = environment.get("GEMINI_CLI_HOME") or environment.get("HOME") or "~"
    return Path(given).expanduser()


def furnish(home: Path, user: Path, workspace: Path, ours: Ours) -> None:
    """Make the session's home, or bring it up to date."""
    own, theirs = home / FOLDER, user / FOLDER
    own.mkdir(parents=True, exist_ok=True, mode=0o700)
    settings = read(theirs / SETTINGS)
    named = {_first_named(one) for one in (settings, read(workspace / FOLDER / SETTINGS))}
    for name in (*_LOGINS, *_names(theirs)):
        if name not in _OWN and name not in named:
            _link(own / name, theirs / name)
    for name in _BESIDE:
        if (user / name).exists():
            _link(home / name, user / name)
    told = ours.instructions.read_text()
    for name in named:
        write_atomic(own / name, f"{text_of(theirs / name)}{told}")
    policy = home / "ao.toml"
    write_atomic(policy, _POLICY if ours.face else "")
    write_atomic(own / SETTINGS, json.dumps(_merged(settings, ours, own, policy), indent=1) + "\n")


def is_inherited(user: Path, workspace: Path) -> bool:
    """Whether the user has trusted the repository of a work tree, and said nothing of itself."""
    rules = read(user / FOLDER / TRUST)
    repository = repository_of(workspace)
    if repository is None or trusts(rules, workspace) is not None:
        return False
    return trusts(rules, repository) is True


def trusts(rules: Mapping[str, object], folder: Path) -> bool | None:
    """Whether a folder is trusted by what the user has decided; None where nothing was."""
    real, length, found = folder.resolve(), -1, None
    for place, level in rules.items():
        path = Path(place).parent if level == "TRUST_PARENT" else Path(place)
        if real.is_relative_to(path.resolve()) and len(place) > length:
            length, found = len(place), level
    return None if found is None else found != "DO_NOT_TRUST"


def repository_of(workspace: Path) -> Path | None:
    """The repository that a work tree is of, if it knows the work tree as well."""
    try:
        place = Path((workspace / ".git").read_text().removeprefix("gitdir:").strip())
        back = Path((place / "gitdir").read_text().strip())
        common = (place / (place / "commondir").read_text().strip()).resolve()
        known = back.resolve() == (workspace / ".git").resolve()
    except (OSError, ValueError):
        return None
    return common.parent if known and common.name == ".git" else None


def _merged(settings: Settings, ours: Ours, own: Path, policy: Path) -> Settings:
    merged = dict(settings)
    for name, values in _FIXED.items():
        merged[name] = {**part(settings, name), **values}
    if ours.face and not ours.spoken:
        program, *args = ours.face
        server = {"command": program, "args": args, "env": _FACE_ENV}
        merged["mcpServers"] = {**part(settings, "mcpServers"), "ao": server}
    hooks = part(settings, "hooks")
    added = {name: [*listed(hooks, name), _hook(run)] for name, run in ours.hooks.items()}
    policies = listed(settings, "policyPaths") or [str(own / "policies")]
    return {**merged, "hooks": {**hooks, **added}, "policyPaths": [*policies, str(policy)]}


def _hook(command: str) -> dict[str, object]:
    run = {"type": "command", "name": "ao", "command": command, "timeout": _WAIT}
    return {"hooks": [run]}


def _first_named(settings: Settings) -> str:
    """The file that is read for instructions before all others; a name, and no path."""
    named = part(settings, "context").get("fileName")
    first = next(iter(cast("list[object]", named)), "") if isinstance(named, list) else named
    return first if isinstance(first, str) and re.fullmatch(r"\w[\w.-]*", first) else _CONTEXT


def _names(folder: Path) -> Iterator[str]:
    return (entry.name for entry in folder.iterdir()) if folder.is_dir() else iter(())


def _link(link: Path, target: Path) -> None:
    if not link.is_symlink() and not link.exists():
        link.symlink_to(target)
