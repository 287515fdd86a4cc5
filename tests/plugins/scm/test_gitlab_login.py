"""Where a project on GitLab is, and whose token goes to which host."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ao_core.errors import CommandFailed, ConfigError, Unauthorized
from ao_core.plugin import Scope
from ao_core.process import Completed
from ao_plugins._gitlab.host import GitLab, Hosted, gitlab
from ao_plugins._gitlab.login import from_glab, from_surroundings, host_of
from standins.gitlab import hosted


@dataclass
class Commands:
    """What `git remote get-url` and `glab` would say."""

    remote: str = ""
    token: str | None = None
    status: int = 0
    asked: list[tuple[tuple[str, ...], Mapping[str, str]]] = field(default_factory=list[Any])

    async def __call__(self, argv: Sequence[str], **how: Any) -> Completed:
        if argv[0] == "glab":
            self.asked.append((tuple(argv), how["env"]))
            if self.token is None:
                raise CommandFailed("there is no glab")
            return Completed("glab", self.status, f"{self.token}\n".encode(), b"")
        return Completed("git", 0 if self.remote else 2, self.remote.encode(), b"")


def scope(path: Path, commands: Commands, **environment: str) -> Scope:
    return Scope(state=path, repository=path, run=commands, environment=environment)


async def place(config: Hosted, scope: Scope) -> GitLab:
    async with gitlab(config, scope) as found:
        return found


class TestWhere:
    @pytest.mark.parametrize(
        ("remote", "web"),
        [
            ("git@gitlab.com:group/app.git", "https://gitlab.com/group/app"),
            ("git@git.example.com:a/b/c/d.git", "https://git.example.com/a/b/c/d"),
            ("https://git.example.com:8443/a/b.git", "https://git.example.com:8443/a/b"),
            ("ssh://git@git.example.com:2222/a/b.git", "https://git.example.com/a/b"),
        ],
    )
    async def test_as_the_remote_has_it(self, tmp_path: Path, remote: str, web: str) -> None:
        found = await place(Hosted(), scope(tmp_path, Commands(remote)))
        assert found.web == web
        assert found.path == "/projects/" + found.project.replace("/", "%2F")

    async def test_settings_go_first(self, tmp_path: Path) -> None:
        around = scope(tmp_path, Commands("git@git.example.com:a/b.git"))
        config = Hosted(repo="x/y/z", host="other.example.com:444")
        assert (await place(config, around)).web == "https://other.example.com:444/x/y/z"

    async def test_one_below_a_path(self, tmp_path: Path) -> None:
        config = Hosted(repo="x/y", api="https://example.com/gitlab/api/v4/")
        found = await place(config, scope(tmp_path, Commands()))
        assert found.web == "https://example.com/gitlab/x/y"

    async def test_a_token_is_never_sent_in_the_clear(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="https"):
            await place(Hosted(repo="x/y", api="http://example.com"), scope(tmp_path, Commands()))

    async def test_surroundings_name_the_host_where_nothing_else_does(self, tmp_path: Path) -> None:
        around = scope(tmp_path, Commands(), GITLAB_HOST="https://git.example.com/")
        assert (await place(Hosted(repo="x/y"), around)).web == "https://git.example.com/x/y"
        assert host_of({}) == "gitlab.com"
        assert host_of({"GITLAB_HOST": "Git.Example.com:8443"}) == "git.example.com:8443"

    async def test_a_folder_is_no_project(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="which project"):
            await place(Hosted(), scope(tmp_path, Commands("/srv/app.git")))


class TestWho:
    @pytest.mark.parametrize(
        ("host", "named", "chosen", "given"),
        [
            ("gitlab.com", "", False, True),
            ("git.example.com", "", False, False),  # whoever made the remote may be anybody
            ("git.example.com", "git.example.com", False, True),
            ("gitlab.com", "git.example.com", False, False),
            ("git.example.com", "", True, True),
        ],
    )
    def test_a_token_of_the_surroundings_is_for_one_host(
        self, host: str, named: str, chosen: bool, given: bool
    ) -> None:
        around = {"GITLAB_TOKEN": "glpat-secret", "GITLAB_HOST": named}
        assert bool(from_surroundings(host, around, chosen=chosen)) is given

    def test_a_jobs_token_is_none(self) -> None:
        assert from_surroundings("gitlab.com", {"CI_JOB_TOKEN": "x"}, chosen=True) is None

    def test_the_other_name_is_second(self) -> None:
        around = {"GITLAB_ACCESS_TOKEN": "two"}
        found = from_surroundings("gitlab.com", around, chosen=False)
        assert found
        assert found.get_secret_value() == "two"

    async def test_glab_is_asked_for_this_very_host(self, tmp_path: Path) -> None:
        commands = Commands(token="glpat-kept")
        around = scope(tmp_path, commands, GITLAB_TOKEN="glpat-other", PATH="/bin")
        token = await from_glab(around, "git.example.com")
        assert token.value.get_secret_value() == "glpat-kept"
        argv, environment = commands.asked[0]
        assert argv == ("glab", "config", "get", "token", "--host", "git.example.com")
        assert environment == {"PATH": "/bin"}  # it would print a token that it finds there

    @pytest.mark.parametrize("told", [None, "", "two words", "bad\x1bletters"])
    async def test_nobody_is_signed_in(self, tmp_path: Path, told: str | None) -> None:
        with pytest.raises(Unauthorized, match=r"git\.example\.com") as caught:
            await from_glab(scope(tmp_path, Commands(token=told)), "git.example.com")
        assert "glab auth login" in (caught.value.hint or "")

    async def test_every_token_is_a_bearers(self, tmp_path: Path) -> None:
        with hosted(tmp_path / "host") as host:
            around = scope(tmp_path, Commands(token=host.token))
            async with gitlab(Hosted(repo="acme/app", api=host.api), around) as found:
                assert await found.rest.ask("GET", found.path, into=dict[str, Any])
                host.world.tokens.clear()
                with pytest.raises(Unauthorized):
                    await found.rest.ask("GET", found.path, into=dict[str, Any])
