"""How a worker commits: as whom, signed or not, and that git never waits for somebody to type.

All of it is said by the worker's environment: no file of the repository's or the person's changes.
Where commits are signed, it is shown before the worker starts that this can be done unasked.
"""

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import anyio.to_thread

from ao_core.config.models import CommitIdentity, EffectiveProject
from ao_core.engine.home import Home
from ao_core.engine.project import Project
from ao_core.engine.side import run_in
from ao_core.errors import AoError, CredentialsNeeded
from ao_core.files import private_dir, write_atomic
from ao_core.git.repository import FALLBACK, Git, Identity
from ao_core.process import Completed, How, Run

_UNATTENDED = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "false",
    "GCM_INTERACTIVE": "never",  # a helper of many people's that opens windows
    "SSH_ASKPASS": "false",
    "SSH_ASKPASS_REQUIRE": "force",  # else a passphrase is asked for on the agent's own terminal
}
_ASKED = r"^(user\.(name|email)|commit\.gpgsign|gpg\.(format|program|openpgp\.program))$"
_YES = ("", "true", "yes", "on", "1")
_GPG = "ao-gpg"
_GPG_SCRIPT = """\
#!/bin/sh
# signs with what is unlocked already; a passphrase is never asked for
exec "${AO_GPG_PROGRAM:-gpg}" --batch --pinentry-mode error "$@"
"""
_CHOSEN = {
    "inherit": (),
    "on": (("commit.gpgSign", "true"),),
    "off": (("commit.gpgSign", "false"), ("tag.gpgSign", "false")),
}
_DEADLINE = 20.0


@dataclass(frozen=True, slots=True)
class Customs:
    """How commits are made in a repository, as git's own configuration has it."""

    named: bool = False
    signs: bool = False
    openpgp: bool = True
    program: str = "gpg"


async def variables(
    home: Home, project: Project, environment: Mapping[str, str]
) -> Mapping[str, str]:
    """What is added to a worker's environment; raises where its commits could not be signed."""
    git = Git(_with(run_in(project, project.repository), environment), project.repository)
    customs, wanted = await _customs(git), project.settings.commit_signing
    who, chosen = _who(project.settings, customs, environment), list(_CHOSEN[wanted])
    signs = wanted == "on" or (customs.signs and wanted != "off")
    if signs and customs.openpgp:
        await anyio.to_thread.run_sync(_write_script, home.bin)
        chosen += [("gpg.program", str(home.bin / _GPG))]
        who |= {"AO_GPG_PROGRAM": customs.program}
    if signs:
        await _prove(git, who, chosen)
    return {**_UNATTENDED, **environment, **who, **_configured(environment, chosen)}


def _who(
    settings: EffectiveProject, customs: Customs, environment: Mapping[str, str]
) -> dict[str, str]:
    """As the project says; else as environment and repository do; where none does, as nobody."""
    if settings.commit_identity is not None:
        return _named(settings.commit_identity)
    if customs.named:
        return {}
    return {name: text for name, text in _named(FALLBACK).items() if not environment.get(name)}


def _named(who: CommitIdentity | Identity) -> dict[str, str]:
    return {
        f"GIT_{role}_{what}": value
        for role in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", who.name), ("EMAIL", who.email))
    }


def _configured(
    environment: Mapping[str, str], chosen: Sequence[tuple[str, str]]
) -> Mapping[str, str]:
    """Settings as variables, after those that the environment has already."""
    if not chosen:
        return {}
    had = environment.get("GIT_CONFIG_COUNT", "0")
    first = int(had) if had.isdigit() else 0
    pairs = dict[str, str]()
    for place, (key, value) in enumerate(chosen, first):
        pairs |= {f"GIT_CONFIG_KEY_{place}": key, f"GIT_CONFIG_VALUE_{place}": value}
    return {**pairs, "GIT_CONFIG_COUNT": str(first + len(chosen))}


async def _customs(git: Git) -> Customs:
    how = ("config", "--null", "--show-scope", "--get-regexp", _ASKED)
    done = await git.call(*how, ok=(0, 1))
    parts = [os.fsdecode(one) for one in done.stdout.split(b"\0")]
    found = dict[str, str]()
    for scope, entry in zip(parts[::2], parts[1::2], strict=False):
        if scope != "command":  # our own
            key, _, value = entry.partition("\n")
            found[key] = value
    program = found.get("gpg.openpgp.program") or found.get("gpg.program")
    return Customs(
        named=bool(found.get("user.name") and found.get("user.email")),
        signs=found.get("commit.gpgsign", "false").lower() in _YES,
        openpgp=found.get("gpg.format", "openpgp") == "openpgp",
        program=program or "gpg",
    )


async def _prove(git: Git, who: Mapping[str, str], chosen: Sequence[tuple[str, str]]) -> None:
    """Sign something; it is kept nowhere."""
    objects = await git.line("rev-parse", "--path-format=absolute", "--git-path", "objects")
    with tempfile.TemporaryDirectory(prefix="ao-sign-") as folder:
        aside = {"GIT_OBJECT_DIRECTORY": folder, "GIT_ALTERNATE_OBJECT_DIRECTORIES": objects}
        settings = tuple(f"{key}={value}" for key, value in chosen)
        signing = Git(git.run, git.path, {**_UNATTENDED, **who, **aside}, settings)
        try:
            how = ("commit-tree", "-S", "-m", "can it be signed?", "HEAD^{tree}")
            await signing.call(*how, deadline=_DEADLINE)
        except AoError as exc:
            raise CredentialsNeeded(
                f"Commits are signed here, which cannot be done without asking: {exc.message}",
                hint="Unlock the key (`ssh-add`, or sign once by hand), or `commit_signing: off`.",
            ) from exc


def _write_script(folder: Path) -> None:
    path = private_dir(folder) / _GPG
    if not path.exists() or path.read_text() != _GPG_SCRIPT:
        write_atomic(path, _GPG_SCRIPT)
    path.chmod(0o700)


def _with(run: Run, environment: Mapping[str, str]) -> Run:
    """Run commands as the worker would."""

    async def with_environment(argv: Sequence[str], **how: Unpack[How]) -> Completed:
        if how.get("env") is None:
            how["env"] = environment
        return await run(argv, **how)

    return with_environment
