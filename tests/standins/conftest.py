"""A stand-in of its own for each test, and a client that is let in."""

import ssl
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from standins import github as hub
from standins import gitlab as lab
from standins.github import GitHub
from standins.gitlab import GitLab

PLAIN = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # one that knows nobody is made at once


@pytest.fixture
def github(tmp_path: Path) -> Generator[GitHub]:
    with hub.hosted(tmp_path / "host") as host:
        yield host


@pytest.fixture
def client(github: GitHub) -> Generator[httpx.Client]:
    headers = {"authorization": f"Bearer {github.token}"}
    with httpx.Client(
        base_url=github.url, headers=headers, trust_env=False, verify=PLAIN, timeout=60
    ) as one:
        yield one


@pytest.fixture
def gitlab(tmp_path: Path) -> Generator[GitLab]:
    with lab.hosted(tmp_path / "lab") as host:
        yield host


@pytest.fixture
def asking(gitlab: GitLab) -> Generator[httpx.Client]:
    headers = {"private-token": gitlab.token}
    with httpx.Client(base_url=gitlab.api, headers=headers, trust_env=False, verify=PLAIN) as one:
        yield one
