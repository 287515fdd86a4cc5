"""The machine as a client's settings see it: its kind, the user's folders, and where we are."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ao_core import platform
from ao_core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Machine:
    """What decides where a client's file is."""

    environment: Mapping[str, str]
    cwd: Path | None
    system: platform.System

    def home(self) -> Path:
        """The user's own folder."""
        variable = "USERPROFILE" if self.system == "windows" else "HOME"
        return self.named(variable) or Path.home()

    def named(self, variable: str) -> Path | None:
        """The folder that a variable names, if it names one from the root down."""
        found = Path(self.environment.get(variable, ""))
        return found if found.is_absolute() else None

    def settings(self) -> Path:
        """Where programs keep settings by the XDG rules."""
        return self.named("XDG_CONFIG_HOME") or self.home() / ".config"

    def applications(self) -> Path:
        """Where applications with a window keep theirs."""
        match self.system:
            case "windows":
                return self.named("APPDATA") or self.home() / "AppData" / "Roaming"
            case "macos":
                return self.home() / "Library" / "Application Support"
            case _:
                return self.settings()

    def repository(self) -> Path:
        """The top of the repository we are in, or the folder itself where there is none."""
        if self.cwd is None:
            raise ConfigError("The current folder is gone.", hint="Change into a repository.")
        tops = (folder for folder in (self.cwd, *self.cwd.parents) if (folder / ".git").exists())
        return next(tops, self.cwd)

    def program(self, name: str) -> Path | None:
        """A program as this user's shell finds it."""
        found = shutil.which(name, path=self.environment.get("PATH", os.defpath))
        return Path(found) if found else None
