"""Commits of workers: by whom, signed or not, and nobody is waited for."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest

from ao_core.config.models import CommitIdentity, EffectiveProject, PluginChoice
from ao_core.engine.committing import variables
from ao_core.engine.home import Home
from ao_core.engine.project import Project
from ao_core.errors import CredentialsNeeded
from ao_core.ids import ProjectId
from ao_core.process import run
from ao_core.testing.repository import Sample, sample

WHO = CommitIdentity(name="A Team", email="team@example.invalid")
NOBODY = PluginChoice("none")
with_gpg = pytest.mark.skipif(not shutil.which("gpg"), reason="gnupg is not installed")
with_ssh = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="openssh is not installed")


class Here:
    """Runs side commands where it is."""

    async def exec(
        self, where: Any, argv: Sequence[str], env: Any, deadline: float, **more: Any
    ) -> Any:
        return await run(argv, cwd=where.workspace, env=env, deadline=deadline, **more)


@pytest.fixture
async def repository(tmp_path: Path) -> Sample:
    return await sample(tmp_path / "repository")


@pytest.fixture
def person(tmp_path: Path) -> Generator[dict[str, str]]:
    """The environment of somebody with an empty home folder, and no key yet."""
    folder = Path(tempfile.mkdtemp(prefix="ao-"))  # its sockets need a short path
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "GNUPGHOME": str(keys)}
    yield env
    if shutil.which("gpgconf"):
        subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)
    shutil.rmtree(folder, ignore_errors=True)


async def given(
    repository: Sample, env: Mapping[str, str], tmp_path: Path, **chosen: Any
) -> Mapping[str, str]:
    settings = EffectiveProject(
        ProjectId("app"), repository.path, "app", NOBODY, NOBODY, NOBODY, NOBODY
    )
    project = SimpleNamespace(
        settings=replace(settings, **chosen), repository=repository.path, runtime=Here()
    )
    home = SimpleNamespace(bin=tmp_path / "home" / "bin")
    home.bin.parent.mkdir(exist_ok=True)
    return await variables(cast("Home", home), cast("Project", project), env)


def committed(repository: Sample, env: Mapping[str, str], what: str) -> str:
    """Commit as a worker would; what git shows of it then."""
    how = ["git", "-C", str(repository.path)]
    commit = [*how, "commit", "-q", "--allow-empty", "-m", "work"]
    subprocess.run(commit, env=env, check=True, timeout=20, stdin=subprocess.DEVNULL)
    shown = [*how, "log", "-1", f"--format={what}"]
    return subprocess.run(shown, env=env, check=True, capture_output=True, text=True).stdout.strip()


# -- by whom -----------------------------------------------------------------------------------


async def test_commits_are_by_whom_the_repository_says_unless_the_project_says_otherwise(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    await repository.git("config", "user.name", "Somebody")
    await repository.git("config", "user.email", "somebody@example.invalid")
    env = await given(repository, person, tmp_path)
    assert committed(repository, env, "%an %ae") == "Somebody somebody@example.invalid"
    env = await given(repository, person, tmp_path, commit_identity=WHO)
    shown = committed(repository, env, "%an %ae %cn %ce")
    assert shown == " ".join([f"{WHO.name} {WHO.email}"] * 2)


async def test_where_nobody_is_named_a_worker_can_commit_all_the_same(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    env = await given(repository, person, tmp_path)
    assert committed(repository, env, "%an") == "ao-mcp"


async def test_whoever_the_environment_names_commits_where_the_repository_names_nobody(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    named = person | {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.invalid"}
    env = await given(repository, named, tmp_path)
    assert committed(repository, env, "%an %ae %cn") == "Ada ada@example.invalid ao-mcp"
    env = await given(repository, named, tmp_path, commit_identity=WHO)
    assert committed(repository, env, "%an %ae") == f"{WHO.name} {WHO.email}"


async def test_git_asks_nobody_for_anything_unless_the_environment_says_who_is_to_be_asked(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    env = await given(repository, person, tmp_path)
    silent = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "false", "GCM_INTERACTIVE": "never"}
    assert silent.items() <= env.items()
    env = await given(repository, person | {"GIT_ASKPASS": "/bin/own"}, tmp_path)
    assert env["GIT_ASKPASS"] == "/bin/own"


# -- signed or not -----------------------------------------------------------------------------


def gpg_key(env: Mapping[str, str], passphrase: str) -> None:
    how = ["gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", passphrase]
    made = ["--quick-generate-key", "Somebody <somebody@example.invalid>", "ed25519", "sign"]
    subprocess.run([*how, *made], env=env, check=True, capture_output=True, timeout=60)


def forget_passphrases(env: Mapping[str, str]) -> None:
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], env=env, check=True)


async def signing(repository: Sample) -> None:
    settings = {
        "user.name": "Somebody", "user.email": "somebody@example.invalid",
        "user.signingkey": "somebody@example.invalid", "commit.gpgsign": "true",
    }  # fmt: skip
    for name, value in settings.items():
        await repository.git("config", name, value)


@with_gpg
async def test_commits_are_signed_as_the_repository_has_it_where_that_takes_no_asking(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    gpg_key(person, "")
    await signing(repository)
    before = await repository.git("count-objects")
    env = await given(repository, person, tmp_path)
    assert await repository.git("count-objects") == before
    assert committed(repository, env, "%G?") in ("G", "U")
    env = await given(repository, person, tmp_path, commit_signing="off")
    assert committed(repository, env, "%G?") == "N"


@with_gpg
async def test_a_key_that_would_have_to_be_unlocked_is_told_of_before_anything_hangs(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    gpg_key(person, "secret words")
    forget_passphrases(person)
    await signing(repository)
    with pytest.raises(CredentialsNeeded) as caught:
        await given(repository, person, tmp_path)
    assert "commit_signing: off" in (caught.value.hint or "")
    env = await given(repository, person, tmp_path, commit_signing="off")
    assert committed(repository, env, "%G?") == "N"


async def test_signing_that_is_asked_for_without_a_key_is_refused(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(CredentialsNeeded):
        await given(repository, person, tmp_path, commit_signing="on")


@with_gpg
async def test_a_program_of_the_persons_own_signs(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    gpg_key(person, "")
    await signing(repository)
    own = tmp_path / "own-gpg"
    own.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/told\nexec gpg "$@"\n')
    own.chmod(0o700)
    await repository.git("config", "gpg.program", str(own))
    env = await given(repository, person, tmp_path)
    committed(repository, env, "%H")
    told = (tmp_path / "told").read_text().splitlines()
    assert len(told) == 2
    assert all(line.startswith("--batch --pinentry-mode error") for line in told)


@pytest.mark.parametrize("passphrase", ["", "secret words"])
@with_ssh
async def test_keys_of_ssh_sign_too_and_are_not_waited_for(
    repository: Sample, person: dict[str, str], tmp_path: Path, passphrase: str
) -> None:
    key = Path(person["HOME"]) / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(key)]
    (await run(make, deadline=20)).check("ssh-keygen")
    await signing(repository)
    await repository.git("config", "gpg.format", "ssh")
    await repository.git("config", "user.signingkey", str(key))
    if passphrase:
        with pytest.raises(CredentialsNeeded):
            await given(repository, person, tmp_path)
        return
    committed(repository, await given(repository, person, tmp_path), "%H")
    assert "BEGIN SSH SIGNATURE" in await repository.git("cat-file", "commit", "HEAD")


@with_ssh
async def test_a_key_that_is_locked_later_makes_a_commit_fail_and_is_not_asked_for(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    key = Path(person["HOME"]) / "key"
    make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)]
    (await run(make, deadline=20)).check("ssh-keygen")
    await signing(repository)
    await repository.git("config", "gpg.format", "ssh")
    await repository.git("config", "user.signingkey", str(key))
    env = await given(repository, person, tmp_path)
    lock = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret words", "-f", str(key)]
    (await run(lock, deadline=20)).check("ssh-keygen")
    commit = f"git -C {repository.path} commit -q --allow-empty -m work"
    terminal = ["script", "-qec", commit, os.devnull]  # as the agent has one
    worker = await anyio.open_process(terminal, env={**env, "SHELL": "/bin/sh"})
    with anyio.fail_after(20):
        assert await worker.wait() != 0


async def test_settings_that_the_environment_has_already_stay(
    repository: Sample, person: dict[str, str], tmp_path: Path
) -> None:
    had = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "a.b", "GIT_CONFIG_VALUE_0": "c"}
    env = await given(repository, person | had, tmp_path, commit_signing="off")
    assert (env["GIT_CONFIG_KEY_0"], env["GIT_CONFIG_COUNT"]) == ("a.b", "3")
