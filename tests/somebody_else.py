"""Runs Python as a user without any privileges, in a folder of that user's."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534
ROOT = Path(__file__).resolve().parents[1]
# the shell in between has lost what root could still read when `setpriv` ran it
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--inh-caps=-all",
    "--bounding-set=-all", "sh", "-c", 'exec "$0" "$@"',
)  # fmt: skip


@contextmanager
def folder_of_nobody() -> Generator[Path]:
    """The tests' own are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="ao-nobody-", dir="/tmp"))
    os.chown(folder, NOBODY, NOBODY)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def python_of_nobody(folder: Path) -> Path | None:
    """A Python of our version that nobody can run, with the packages that we have."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for base in (os.path.realpath(sys.executable), f"/usr/bin/{name}", f"/usr/local/bin/{name}"):
        made = [*AS_NOBODY, base, "-m", "venv", "--without-pip", "--symlinks", str(folder)]
        if subprocess.run(made, capture_output=True, check=False).returncode == 0:
            _lend(folder)
            python = folder / "bin" / "python"
            tried = subprocess.run([*AS_NOBODY, python, "-c", "import ao_mcp, mcp"], check=False)
            return python if tried.returncode == 0 else None
    return None


def _lend(folder: Path) -> None:
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder)}))
    lent = [path for path in sys.path if Path(path).name == "site-packages"]
    rooms = [str(ROOT / room) for room in ("", "core", "plugins", "prompts")]
    (packages / "lent.pth").write_text("\n".join([*rooms, *lent]) + "\n")
