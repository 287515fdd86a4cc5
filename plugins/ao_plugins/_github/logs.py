"""Why a job of Actions failed: its failed step, and the end of its log, cut to what helps.

https://docs.github.com/rest/actions/workflow-jobs
"""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from ao_core.errors import PluginError, RateLimited, Unavailable
from ao_core.http import Urgency
from ao_core.redact import visible
from ao_plugins._github.host import GitHub
from ao_plugins._log_tail import WIDTH, fitting

_READ = 256 * 1024
_STAMP = re.compile(r"^\ufeff?\d{4}-\d\d-\d\dT[\d:.]+Z ")
_NOISE = re.compile(r"^##\[(group|endgroup|command|debug)\]|^\[command\]")
_ERROR = "##[error]"
_BAD = ("failure", "timed_out", "cancelled")  # a step that hangs is cancelled with its job


class _Step(BaseModel):
    name: str
    conclusion: str | None = None


class _Job(BaseModel):
    name: str
    steps: Annotated[list[_Step], Field(max_length=1_000)] = []


@dataclass(frozen=True, slots=True)
class Why:
    """What is known of a failure, and how often its log is to be looked for yet."""

    said: str | None
    looks_left: int


async def explained(github: GitHub, job: int, looks: int) -> Why:
    """The step that failed and the end of its log, which comes a moment after its job has ended."""
    step, end = await _step(github, job), await _end(github, job)
    said = "\n".join(filter(None, (step, end))) or None
    return Why(said, 0 if end is not None else looks - 1)


async def _step(github: GitHub, job: int) -> str | None:
    try:
        found = await github.rest.ask(
            "GET", f"{github.path}/actions/jobs/{job}", into=_Job, urgency=Urgency.READ
        )
    except (RateLimited, Unavailable):
        raise
    except PluginError:
        return None  # an expired run has none; that it failed is told all the same
    ended = {one.conclusion: one for one in reversed(found.steps)}
    failed = next((ended[one] for one in _BAD if one in ended), None)
    return f"failed step: {visible(failed.name, WIDTH)}" if failed else None


async def _end(github: GitHub, job: int) -> str | None:
    try:
        log = await github.rest.last(f"{github.path}/actions/jobs/{job}/logs", _READ)
    except (RateLimited, Unavailable):
        raise
    except PluginError:
        return None
    return "\n".join(tail(log)) or None


def tail(log: str) -> list[str]:
    """The lines that lead to the last error; without one, the last lines."""
    lines = [_STAMP.sub("", line) for line in log.splitlines()]
    lines = [line for line in lines if line.strip() and not _NOISE.match(line)]
    errors = [at for at, line in enumerate(lines) if line.startswith(_ERROR)]
    end = errors[-1] + 1 if errors else len(lines)
    return fitting([line.removeprefix(_ERROR) for line in lines[:end]])
