"""Shells: which one, how it is given a script, how it is quoted for."""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ao_core.errors import BadRequest
from ao_core.platform.folders import temporary
from ao_core.platform.kind import system

_DASH_C = frozenset({"sh", "bash", "zsh", "dash", "ash", "ksh", "fish"})
_GIT_BASH = (r"C:\Program Files\Git\bin\bash.exe", r"C:\Program Files (x86)\Git\bin\bash.exe")


def shell_command(script: str, env: Mapping[str, str]) -> tuple[str, ...]:
    """The argument list that runs a script in the person's shell (`AO_SHELL`)."""
    shell = env.get("AO_SHELL") or _default_shell(env)
    name = _shell_name(shell)
    flag = "/c" if name == "cmd" else "-c" if name in _DASH_C else "-Command"
    return (shell, flag, script)


def bash_path(env: Mapping[str, str]) -> str | None:
    """The bash that runs scripts: `AO_BASH_PATH` first; on Windows never the one of WSL."""
    if chosen := env.get("AO_BASH_PATH"):
        return chosen
    if system() != "windows":
        return _which("bash", env)
    beside = [str(Path(folder) / "bash.exe") for folder in env.get("PATH", "").split(";") if folder]
    candidates = (path for path in (*_GIT_BASH, *beside) if not _is_wsl_bash(path))
    return next(filter(_is_file, candidates), None)


def quote(argv: Sequence[str], shell: str = "sh") -> str:
    """Write an argument list so that this shell reads it back unchanged."""
    name = _shell_name(shell)
    if name == "cmd":
        return _quote_cmd(argv)
    if name == "fish":
        return " ".join(_quote_fish(arg) for arg in argv)
    if name in _DASH_C:
        return " ".join("'" + arg.replace("'", "'\"'\"'") + "'" for arg in argv)
    return "& " + " ".join(_quote_powershell(arg) for arg in argv)


def default_env(env: Mapping[str, str]) -> dict[str, str]:
    """HOME, TMPDIR, SHELL, PATH and USER, from `env` or as this machine has them."""
    windows = system() == "windows"
    path = os.defpath if windows else "/usr/local/bin:/usr/bin:/bin"
    user = env.get("USER") or env.get("USERNAME" if windows else "LOGNAME")
    return {
        "HOME": env.get("HOME") or env.get("USERPROFILE") or str(Path.home()),
        "TMPDIR": temporary(env),
        "SHELL": env.get("SHELL") or _default_shell(env),
        "PATH": env.get("PATH") or path,
        "USER": user or _user_name(),
    }


def _default_shell(env: Mapping[str, str]) -> str:
    if system() != "windows":
        return "/bin/sh"
    found = _which("pwsh", env) or _which("powershell", env)
    return found or env.get("COMSPEC") or "cmd.exe"


def _shell_name(shell: str) -> str:
    return re.split(r"[/\\]", shell)[-1].lower().removesuffix(".exe")


def _is_wsl_bash(path: str) -> bool:
    folder = path.lower().replace("/", "\\")
    return "\\system32\\" in folder or "\\sysnative\\" in folder or "\\windowsapps\\" in folder


def _is_file(path: str) -> bool:
    return os.path.isfile(path)


def _which(name: str, env: Mapping[str, str]) -> str | None:
    import shutil

    return shutil.which(name, path=env.get("PATH", os.defpath))


def _quote_fish(arg: str) -> str:
    return "'" + arg.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quote_powershell(arg: str) -> str:
    # it takes typographic quotes for quotes too
    return "'" + re.sub("(['\u2018\u2019\u201a\u201b])", r"\1\1", arg) + "'"


def _quote_cmd(argv: Sequence[str]) -> str:
    import subprocess

    line = subprocess.list2cmdline(argv)
    if "\n" in line or "\r" in line:
        raise BadRequest("cmd cannot be given a line break", hint="Use another AO_SHELL.")
    return re.sub(r'([()%!^"<>&|])', r"^\1", line)


def _user_name() -> str:
    import getpass

    return getpass.getuser()
