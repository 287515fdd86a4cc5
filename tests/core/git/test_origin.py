"""What a remote's address says of host and repository."""

from pathlib import Path

import pytest

from ao_core.git.origin import Origin, origin_of, parsed
from ao_core.process import run
from ao_core.testing.repository import sample

APP = Origin("github.com", "acme/app")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/acme/app.git",
        "https://GitHub.com/acme/app/",
        "https://x-access-token:secret@github.com/acme/app",
        "git@github.com:acme/app.git",
        "github.com:acme/app",
        "ssh://git@github.com:22/acme/app.git",
        "git://github.com/acme/app.git",
    ],
)
def test_every_way_to_write_it_names_the_same(url: str) -> None:
    assert parsed(url) == APP


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://git.test:8443/group/sub/app.git", Origin("git.test", "group/sub/app", 8443)),
        ("http://127.0.0.1:4711/acme/app.git", Origin("127.0.0.1", "acme/app", 4711)),
        ("git@[::1]:acme/app.git", Origin("::1", "acme/app")),
        ("acme@ssh.git.test:v3/acme/shop/app", Origin("ssh.git.test", "v3/acme/shop/app")),
    ],
)
def test_ports_and_levels_are_kept(url: str, expected: Origin) -> None:
    assert parsed(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        *("", "/srv/git/app.git", "../app", "~/app", "file:///srv/git/app.git", "C:\\git\\app"),
        *("https://github.com/app", "https:///acme/app", "https://github.com:x/acme/app"),
        *("git@github.com:acme/../app", "git@github.com:acme/a b", "ext::sh -c x/y"),
        "https://github.com/acme/app?token=x\n",
        "https://h/" + "a/" * 2_000,
    ],
)
def test_what_names_no_repository_of_a_host_is_none(url: str) -> None:
    assert parsed(url) is None


def test_host_and_port_are_written_as_in_an_address() -> None:
    assert Origin("h", "a/b", 81).authority == "h:81"
    assert APP.authority == "github.com"


async def test_it_is_read_as_git_would_reach_it(tmp_path: Path) -> None:
    repository = await sample(tmp_path / "app")
    assert await origin_of(run, repository.path) is None
    await repository.git("remote", "add", "origin", "gh:acme/app")
    await repository.git("config", "url.https://github.com/.insteadOf", "gh:")
    assert await origin_of(run, repository.path) == APP
