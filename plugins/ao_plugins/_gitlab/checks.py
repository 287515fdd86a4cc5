"""The checks of a commit: jobs of its pipeline, and statuses that others have written.

https://docs.gitlab.com/api/jobs/ and https://docs.gitlab.com/api/commits/#commit-status
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ao_core.model.work import Check, CheckState
from ao_core.redact import visible
from ao_plugins._gitlab.seen import Pipeline
from ao_plugins._gitlab.shape import Shape

_NAME, _DETAIL = 200, 2_000
_STATES = {
    "success": CheckState.PASSED,
    "failed": CheckState.FAILED,
    "canceled": CheckState.FAILED,
    "skipped": CheckState.SKIPPED,
    "manual": CheckState.SKIPPED,  # it waits for a person, who need not come
    "running": CheckState.RUNNING,
    "canceling": CheckState.RUNNING,
}
_FINE = frozenset({CheckState.PASSED, CheckState.SKIPPED})
_UNSETTLED = frozenset({CheckState.PENDING, CheckState.RUNNING})


class Job(Shape):
    """One job."""

    id: int
    name: str
    stage: str = ""
    status: str
    allow_failure: bool = False
    failure_reason: str | None = None
    web_url: str | None = None


class Bridge(Job):
    """A job that only starts another pipeline."""

    downstream_pipeline: Pipeline | None = None


class Status(Shape):
    """A check by whoever may write to the project; those of jobs are listed among them."""

    id: int
    name: str
    status: str
    allow_failure: bool = False
    target_url: str | None = None
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """A check, and where REST has the job whose trace tells why it failed."""

    check: Check
    job: str | None = None


def of_job(job: Job, home: str, lead: str, *, optional: bool) -> Ran:
    """A job of a project; `lead` is the way to its pipeline, which may be `optional` itself."""
    state = state_of(job.status, optional=optional or job.allow_failure)
    check = Check(visible(f"{lead}{job.name}", _NAME), state, job.web_url, _why(job, state))
    return Ran(check, f"{home}/jobs/{job.id}" if state is CheckState.FAILED else None)


def of_bridge(bridge: Bridge, lead: str, *, optional: bool) -> Ran:
    """What became of the other pipeline, which another project may have; else of its start."""
    other = bridge.downstream_pipeline
    status = other.status if other else bridge.status
    state = state_of(status, optional=optional or bridge.allow_failure)
    url = other.web_url if other else bridge.web_url
    return Ran(Check(visible(f"{lead}{bridge.name}", _NAME), state, url, _why(bridge, state)))


def of_status(status: Status) -> Ran:
    """A status in our words."""
    state = state_of(status.status, optional=status.allow_failure)
    detail = visible(status.description, _DETAIL) if status.description else None
    return Ran(Check(visible(status.name, _NAME), state, status.target_url, detail))


def of_pipeline(pipeline: Pipeline, lead: str = "", *, optional: bool = False) -> Ran:
    """A pipeline as one check, where its jobs do not tell."""
    state = state_of(pipeline.status, optional=optional)
    detail = None
    if state is CheckState.FAILED:
        why = f": {pipeline.yaml_errors}" if pipeline.yaml_errors else ""
        detail = visible(f"the pipeline {pipeline.status}, and no job of it says why{why}", _DETAIL)
    return Ran(Check(visible(f"{lead}pipeline", _NAME), state, pipeline.web_url, detail))


def unexplained(pipeline: Ran, found: Sequence[Ran]) -> bool:
    """Whether what is found in it does not tell how it stands: its file may be invalid."""
    if pipeline.check.state is CheckState.FAILED:
        return all(one.check.state in _FINE for one in found)
    return pipeline.check.state in _UNSETTLED and not found


def state_of(status: str, *, optional: bool) -> CheckState:
    """How it stands; what may fail is not waited for either."""
    state = _STATES.get(status, CheckState.PENDING)
    return CheckState.SKIPPED if optional and state is not CheckState.PASSED else state


def _why(job: Job, state: CheckState) -> str | None:
    if state is not CheckState.FAILED:
        return None
    reason = f" ({job.failure_reason.replace('_', ' ')})" if job.failure_reason else ""
    return visible(f"failed in stage {job.stage}{reason}", _NAME)
