"""Looks over many pull requests at once: by number once it is known, by branch before.

Nothing is asked twice for what has not changed: a mark of what was seen says so.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from ao_core.http.budget import Urgency
from ao_core.http.graphql import Part
from ao_core.slots.scm import WorkRef
from ao_plugins._github import documents
from ao_plugins._github.host import GitHub
from ao_plugins._github.said import Said
from ao_plugins._github.seen import Seen
from ao_plugins._github.shape import Shape

_BY_NUMBER = f"""repository(owner: $owner, name: $name) {{
  pullRequest(number: $number) {{ {documents.SEEN} }}
}}"""
_BY_BRANCH = f"""repository(owner: $owner, name: $name) {{
  pullRequests(headRefName: $branch, first: 3, orderBy: {{field: CREATED_AT, direction: DESC}}) {{
    nodes {{ {documents.SEEN} }}
  }}
}}"""
_SAID = f"""repository(owner: $owner, name: $name) {{
  pullRequest(number: $number) {{ {documents.SAID} }}
}}"""


class _One(Shape):
    pull_request: Seen | None = None


class _Listed(Shape):
    nodes: tuple[Seen, ...]


class _Many(Shape):
    pull_requests: _Listed


class _Told(Shape):
    pull_request: Said | None = None
