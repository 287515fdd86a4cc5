"""A folder for one session's cline: what the user has, and a plugin, rules and a server of ours.

cline has its plugins, rules and settings in one folder, which a variable moves. So each session has
a folder of links: to the user's settings, with the login, and to what else is there. What is said
in the session is kept in it alone, and no daemon is started for it.
"""

import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from importlib import resources
from pathlib import Path

from ao_core.drive.loose import mapping
from ao_core.files import write_atomic

_OWN = ("data", "plugins", "rules")
_SERVERS, _PLUGIN = "cline_mcp_settings.json", "ao.js"
_LONGEST = 1_000_000


def home(environment: Mapping[str, str]) -> Path:
    """Where the user's is."""
    usual = Path(environment.get("HOME") or "~").expanduser() / ".cline"
    return Path(environment.get("CLINE_DIR") or usual)


def data(environment: Mapping[str, str]) -> Path:
    """Where the user's settings and conversations are."""
    return Path(environment.get("CLINE_DATA_DIR") or home(environment) / "data")


def build(root: Path, environment: Mapping[str, str], rules: Path, spool: Path | None) -> None:
    """Make it anew, but for what was said in it. Without a `spool`, its protocol tells."""
    users, settings = home(environment), data(environment) / "settings"
    for folder in (root / "data", root / "plugins", settings):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _link(root / "data" / "settings", settings)
    _link_all(root, users, _OWN)
    _link_all(root / "plugins", users / "plugins", ())
    shutil.rmtree(root / "rules", ignore_errors=True)
    with suppress(FileNotFoundError):  # of links to rules it takes no notice
        shutil.copytree(users / "rules", root / "rules")
    (root / "rules").mkdir(exist_ok=True, mode=0o700)
    shutil.copyfile(rules, root / "rules" / "ao.md")
    told = json.dumps(str(spool) if spool else None)
    write_atomic(root / "plugins" / _PLUGIN, f"const SPOOL = {told};\n{_plugin()}")


def serve(root: Path, environment: Mapping[str, str], face: tuple[str, ...]) -> None:
    """The user's servers and our own. cline hands on few variables, so ours are written down."""
    users = data(environment) / "settings" / _SERVERS
    try:
        known = mapping(json.loads(users.read_bytes()[:_LONGEST]))
    except (OSError, ValueError):
        known = {}
    servers = dict(mapping(known.get("mcpServers")))
    if face:
        program, *args = face
        env = {name: value for name, value in environment.items() if name.startswith("AO_")}
        servers["ao"] = {"command": program, "args": args, "env": env}
    write_atomic(root / "mcp.json", json.dumps({**known, "mcpServers": servers}, indent=1) + "\n")


def _plugin() -> str:
    return (resources.files("ao_plugins.agent._cline") / "plugin.js").read_text(encoding="utf-8")


def _link_all(folder: Path, users: Path, but: tuple[str, ...]) -> None:
    if users.is_dir():
        for one in users.iterdir():
            if one.name not in but:
                _link(folder / one.name, one)


def _link(at: Path, to: Path) -> None:
    if at.is_symlink() and at.readlink() != to:
        at.unlink()
    if not at.is_symlink() and not at.exists():
        at.symlink_to(to)
