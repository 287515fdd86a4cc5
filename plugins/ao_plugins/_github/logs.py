"""Why a job of Actions failed: its failed step, and the end of its log, cut to what helps.

https://docs.github.com/rest/actions/workflow-jobs
"""

import re
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


class _Step(BaseModel):
    name: str
    conclusion: str | None = None


class _Job(BaseModel):
    name: str
    steps: Annotated[list[_Step], Field(max_length=1_000)] = []


async def explained(github: GitHub, job: int) -> str | None:
    """The step that failed and the end of its log; None where neither can be had at any time."""
    told = [await _step(github, job), await _end(github, job)]
    return "\n".join(filter(None, told)) or None


async def _step(github: GitHub, job: int) -> str | None:
    try:
        found = await github.rest.ask(
            "GET", f"{github.path}/actions/jobs/{job}", into=_Job, urgency=Urgency.READ
        )
    except (RateLimited, Unavailable):
        raise
    except PluginError:
        return None  # an expired run has none; that it failed is told all the same
    failed = next((one for one in found.steps if one.conclusion == "failure"), None)
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
