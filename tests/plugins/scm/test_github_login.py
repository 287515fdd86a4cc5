"""Where a repository on GitHub is, and who signs in there."""

import os
import subprocess
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr, ValidationError

from ao_core.errors import ConfigError, NotFound, Unauthorized
from ao_core.plugin import Scope
from ao_plugins._github.host import GitHub as Spoken
from ao_plugins._github.host import Hosted, github
from ao_plugins._github.login import App, from_surroundings
from ao_plugins.scm.github import GitHubScm, GitHubScmConfig
from plugins.scm.github_there import APP, OnGitHub

TOKEN = SecretStr("ghp_example")
GIVEN = {
    "GH_TOKEN": "one", "GITHUB_TOKEN": "two",
    "GH_ENTERPRISE_TOKEN": "three", "GITHUB_ENTERPRISE_TOKEN": "four",
}  # fmt: skip


async def there(scope: Scope, **settings: Any) -> Spoken:
    async with github(Hosted.model_validate({"token": TOKEN, **settings}), scope) as spoken:
        return spoken


def addresses(spoken: Spoken) -> tuple[str, str]:
    return attrgetter("_base")(spoken.rest), attrgetter("_api._base")(spoken.graph)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path / "app")], check=True)
    return tmp_path / "app"


def remote(repository: Path, url: str) -> None:
    subprocess.run(["git", "-C", str(repository), "remote", "add", "origin", url], check=True)


class TestPlace:
    @pytest.mark.parametrize(
        ("url", "host"),
        [
            ("https://github.com/acme/app.git", "github.com"),
            ("https://somebody:secret@github.com/acme/app", "github.com"),
            ("git@github.com:acme/app.git", "github.com"),
            ("ssh://git@github.com/acme/app.git", "github.com"),
            ("ssh://git@ssh.github.com:443/acme/app.git", "github.com"),
            ("https://www.github.com/acme/app", "github.com"),
            ("git@ghe.example.com:acme/app.git", "ghe.example.com"),
            ("ssh://git@ghe.example.com:2222/acme/app.git", "ghe.example.com"),
            ("https://ghe.example.com:8443/acme/app.git", "ghe.example.com:8443"),
            ("https://acme.ghe.com/acme/app.git", "acme.ghe.com"),
        ],
    )
    async def test_it_is_where_the_remote_is(
        self, tmp_path: Path, repository: Path, url: str, host: str
    ) -> None:
        remote(repository, url)
        found = await there(Scope(state=tmp_path, repository=repository))
        assert (found.host, found.owner, found.name) == (host, "acme", "app")

    async def test_the_settings_come_first_then_the_project_then_the_remote(
        self, tmp_path: Path, repository: Path
    ) -> None:
        remote(repository, "git@github.com:from/remote.git")
        scope = Scope(state=tmp_path, repository=repository, repo="from/project")
        assert (await there(scope)).name == "project"
        found = await there(scope, repo="from/settings", host="ghe.example.com")
        assert (found.host, found.name) == ("ghe.example.com", "settings")

    @pytest.mark.parametrize("url", [None, "/srv/app.git", "git@github.com:group/sub/app.git"])
    async def test_without_a_place_it_is_told_what_to_set(
        self, tmp_path: Path, repository: Path, url: str | None
    ) -> None:
        if url:
            remote(repository, url)
        with pytest.raises(ConfigError) as told:
            await there(Scope(state=tmp_path, repository=repository))
        assert "repo: owner/name" in str(told.value.hint)

    @pytest.mark.parametrize(
        ("settings", "rest", "graph"),
        [
            ({}, "https://api.github.com", "https://api.github.com/graphql"),
            (
                {"host": "ghe.example.com:8443"},
                "https://ghe.example.com:8443/api/v3",
                "https://ghe.example.com:8443/api/graphql",
            ),
            (
                {"host": "acme.ghe.com"},
                "https://api.acme.ghe.com",
                "https://api.acme.ghe.com/graphql",
            ),
            (
                {"api": "https://example.com/git/api/v3/"},
                "https://example.com/git/api/v3",
                "https://example.com/git/api/graphql",
            ),
        ],
    )
    async def test_both_interfaces_are_where_that_host_has_them(
        self, tmp_path: Path, settings: Any, rest: str, graph: str
    ) -> None:
        found = await there(Scope(state=tmp_path, repo=APP), **settings)
        assert addresses(found) == (rest, graph)

    @pytest.mark.parametrize("api", ["http://ghe.example.com/api/v3", "ftp://127.0.0.1/"])
    async def test_no_token_goes_over_a_plain_line(self, tmp_path: Path, api: str) -> None:
        with pytest.raises(ConfigError, match="https"):
            await there(Scope(state=tmp_path, repo=APP), api=api)

    async def test_authorities_are_read_from_a_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError):
            await there(Scope(state=tmp_path, repo=APP), ca=tmp_path / "missing.pem")

    @pytest.mark.parametrize("repo", ["app", "a/b/c", "a/b?c", "a/b#c", "https://x/y"])
    def test_a_name_has_two_parts(self, repo: str) -> None:
        with pytest.raises(ValidationError):
            Hosted(repo=repo)


class TestSurroundings:
    @pytest.mark.parametrize(
        ("host", "more", "chosen", "token"),
        [
            ("github.com", {}, False, "one"),
            ("github.com", {"GH_TOKEN": ""}, False, "two"),
            ("acme.ghe.com", {}, False, "one"),
            ("ghe.example.com", {}, False, None),
            ("ghe.example.com", {}, True, "three"),
            ("ghe.example.com", {"GH_HOST": "GHE.example.com"}, False, "three"),
            ("ghe.example.com", {"GH_HOST": "other.example.com"}, False, None),
            ("ghe.example.com", {"GH_ENTERPRISE_TOKEN": ""}, True, "four"),
        ],
    )
    def test_a_token_goes_to_the_host_that_it_is_for(
        self, host: str, more: dict[str, str], chosen: bool, token: str | None
    ) -> None:
        found = from_surroundings(host, {**GIVEN, **more}, chosen=chosen)
        assert (found and found.get_secret_value()) == token


class TestSignedIn(OnGitHub):
    async def test_a_wrong_token_is_told_with_the_remedy(self, host: object, scope: Scope) -> None:
        work = self.opened()
        async with self.made(scope, token=TOKEN) as scm:
            for act in (scm.find(work), scm.get(1), scm.observe([work])):
                with pytest.raises(Unauthorized) as told:
                    await act
                assert "sign in" in str(told.value.hint)
                assert TOKEN.get_secret_value() not in str(told.value.wire())

    async def test_one_that_may_only_read_is_told_so(self, host: object, scope: Scope) -> None:
        work = self.opened()
        token = self.world.token("ghp_reader", "hubot", may_write=False).token
        async with self.made(scope, token=token) as scm:
            pull = await self.of(scm, work)
            with pytest.raises(Unauthorized):
                await scm.close(pull)

    async def test_gh_is_asked_for_who_is_signed_in(
        self, host: object, scope: Scope, tmp_path: Path
    ) -> None:
        own = tmp_path / "bin"
        own.mkdir()
        (own / "gh").write_text(
            f'#!/bin/sh\necho "$@ ${{GH_ENTERPRISE_TOKEN}}" >> {tmp_path}/asked\n'
            f"echo {self.github.token}\n"
        )
        (own / "gh").chmod(0o755)
        work = self.opened()
        environment = {"PATH": f"{own}:{os.environ['PATH']}", "GH_ENTERPRISE_TOKEN": "other"}
        scope = self._scope(scope, environment)
        async with self._with(scope) as scm:
            await self.of(scm, work)
            await self.of(scm, work)
        assert (tmp_path / "asked").read_text() == "auth token --hostname github.com \n"

    @pytest.mark.parametrize("script", ["exit 1", "echo", "echo two words"])
    async def test_with_nobody_signed_in_it_is_told_how(
        self, host: object, scope: Scope, tmp_path: Path, script: str
    ) -> None:
        (tmp_path / "gh").write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "gh").chmod(0o755)
        scope = self._scope(scope, {"PATH": f"{tmp_path}:{os.environ['PATH']}"})
        async with self._with(scope) as scm:
            with pytest.raises(Unauthorized, match="nobody is signed in") as told:
                await scm.get(1)
        assert "gh auth login" in str(told.value.hint)

    def _scope(self, scope: Scope, environment: dict[str, str]) -> Scope:
        from dataclasses import replace

        return replace(scope, environment=environment)

    def _with(self, scope: Scope, **settings: Any) -> GitHubScm:
        config = GitHubScmConfig(api=f"{self.github.url}/api/v3", **settings)
        return GitHubScm(config, scope)


class TestApp(OnGitHub):
    @pytest.fixture
    def key(self, host: object) -> str:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        self.world.app("Iv1.app", 7, key.public_key().public_bytes(*form).decode())
        return key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode()  # fmt: skip

    def _app(self, scope: Scope, key: str, **other: Any) -> GitHubScm:
        told = {"id": "Iv1.app", "installation": 7, "private_key": SecretStr(key), **other}
        return self.made(scope, token=None, app=App.model_validate(told))

    async def test_its_installation_signs_in_once(self, scope: Scope, key: str) -> None:
        work = self.opened()
        async with self._app(scope, key) as scm:
            await self.of(scm, work)
            await self.of(scm, work)
        assert self.calls()["apps/create-installation-access-token"] == 1
        assert {call.login for call in self.github.calls} <= {"app-Iv1.app"}

    async def test_anew_before_the_hour_is_over(self, scope: Scope, key: str) -> None:
        work = self.opened()
        async with self._app(scope, key) as scm:
            await self.of(scm, work)
            await self.clock.sleep(3_590)
            await self.of(scm, work)
        assert self.calls()["apps/create-installation-access-token"] == 2

    async def test_anew_where_the_token_is_refused(self, scope: Scope, key: str) -> None:
        work = self.opened()
        async with self._app(scope, key) as scm:
            await self.of(scm, work)
            for token in [one for one in self.world.tokens if one.startswith("ghs_")]:
                del self.world.tokens[token]
            await self.of(scm, work)
        assert self.calls()["apps/create-installation-access-token"] == 2

    async def test_another_key_is_refused(self, scope: Scope, key: str) -> None:
        other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )  # fmt: skip
        async with self._app(scope, other.decode()) as scm:
            with pytest.raises(Unauthorized):
                await scm.get(1)

    async def test_another_installation_is_not_there(self, scope: Scope, key: str) -> None:
        async with self._app(scope, key, installation=8) as scm:
            with pytest.raises(NotFound):
                await scm.get(1)

    async def test_what_is_no_key_is_told_without_it(self, scope: Scope) -> None:
        async with self._app(scope, "no key at all") as scm:
            with pytest.raises(ConfigError, match="no RSA key") as told:
                await scm.get(1)
        assert "no key at all" not in str(told.value.wire())
        assert told.value.__cause__ is None
