"""Another version of all this, installed beside the checkout, for tests of upgrades."""

import json
import subprocess
import sys
import sysconfig
import venv
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp import Client, StdioServerParameters, stdio_client

from ao_mcp import __version__
from team import Team

ROOT = Path(__file__).resolve().parents[1]
# the last before there was anything to upgrade to; in full, as one that is fetched must be named
OLD_COMMIT, OLD_NAME = "96d8ae4a888bb1f12f56b3a3a974a2487efb08ac", "0.1.0"
LACKING = (
    f"the old version's commit {OLD_COMMIT[:7]} is not in this clone, which is shallow or a copy:"
    " `git fetch --unshallow` brings it"
)
_PIP = (sys.executable, "-I", "-m", "pip", "--disable-pip-version-check")


@dataclass(frozen=True, slots=True)
class Version:
    """An installation: its programs, and what they call themselves."""

    bin: Path
    name: str

    def ao(self, team: Team, *arguments: str) -> dict[str, Any]:
        """One command of the command line, as programs call it."""
        done = subprocess.run(
            [self.bin / "ao", *arguments, "--json"], env=team.env, cwd=team.repository,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.stderr == "", done
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def did(self, team: Team, *arguments: str) -> dict[str, Any]:
        """One command that must work."""
        found = self.ao(team, *arguments)
        assert "error" not in found, (found, team.log())
        return found

    @asynccontextmanager
    async def client(self, team: Team) -> AsyncGenerator[Client]:
        """An MCP client whose relay is of this version; what the relay says is in `relay_log`."""
        relay = StdioServerParameters(
            command=str(self.bin / "ao-mcp"), args=[], env=team.env, cwd=team.repository
        )
        with relay_log(team).open("a") as log:
            async with Client(stdio_client(relay, log)) as client:
                yield client


def relay_log(team: Team) -> Path:
    """Where the relays' stderr goes."""
    return team.home.parent / "relay.log"


def this_version() -> Version:
    """The checkout itself."""
    return Version(Path(sys.executable).parent, __version__)


def has_old_commit() -> bool:
    """Whether this clone goes back far enough."""
    asked = ["git", "cat-file", "-e", f"{OLD_COMMIT}^{{tree}}"]
    return subprocess.run(asked, cwd=ROOT, capture_output=True, check=False).returncode == 0


def installed(
    folder: Path, name: str, edits: Mapping[str, tuple[str, str]] | None = None
) -> Version:
    """A wheel of the old commit under another name, in an environment that lends its packages."""
    source = folder / "source"
    _export(source)
    for file in ("pyproject.toml", "ao_mcp/__init__.py"):
        _edit(source / file, f' = "{OLD_NAME}"', f' = "{name}"')
    for file, edit in (edits or {}).items():
        _edit(source / file, *edit)
    _run(
        sys.executable, "-I", "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source
    )
    home = folder / "environment"
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    wheels = folder.glob("*.whl")
    _run(*_PIP, "--python", python, "install", "--quiet", "--no-deps", "--no-index", *wheels)
    packages = sysconfig.get_path("purelib", vars={"base": str(home)})
    # a folder named in a .pth is searched; its own .pth files, our editable install, are not
    lent = [path for path in sys.path if Path(path).name == "site-packages"]
    (Path(packages) / "dependencies.pth").write_text("\n".join(lent) + "\n")
    return Version(home / "bin", name)


def _export(source: Path) -> None:
    source.mkdir(parents=True)
    archive = subprocess.run(
        ["git", "archive", OLD_COMMIT], cwd=ROOT, capture_output=True, check=True
    )
    subprocess.run(["tar", "-x", "-C", source], input=archive.stdout, check=True)


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text, (file, old)
    file.write_text(text.replace(old, new))


def _run(*argv: str | Path) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
