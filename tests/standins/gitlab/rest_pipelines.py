"""Pipelines, jobs and commit statuses: https://docs.gitlab.com/api/pipelines/ and /jobs/"""

from collections.abc import Sequence

from standins.gitlab.facts import moment_of
from standins.gitlab.records import DEVELOPER, Job, Pipeline
from standins.gitlab.rest import Answer, Asked, answers, found, of_id
from standins.gitlab.state import Refused


@answers("pipelines/list")
def listed(asked: Asked) -> Answer:
    """Those that others have started are only told to who asks for them."""
    query, world = asked.query, asked.world
    kept = [
        run
        for run in asked.at.pipelines[::-1]
        if (run.source != "parent_pipeline" or "source" in query)
        and query.get("ref", run.ref) == run.ref
        and query.get("sha", run.sha) == run.sha
        and query.get("source", run.source) == run.source
        and query.get("status", world.status(run)) == world.status(run)
    ]
    if query.get("order_by") == "updated_at":
        kept.sort(key=lambda run: run.updated_at, reverse=True)
    if since := query.get("updated_after"):
        kept = [run for run in kept if moment_of(run.updated_at) > moment_of(since)]
    if query.get("sort") == "asc":
        kept.reverse()
    return Answer(200, [asked.telling.pipeline(run) for run in asked.page_of(kept)])


@answers("pipelines/get")
def shown(asked: Asked) -> Answer:
    return Answer(200, asked.telling.pipeline(_pipeline(asked)))


@answers("pipelines/retry")
def retried(asked: Asked) -> Answer:
    asked.at_least(DEVELOPER)
    run = _pipeline(asked)
    for job in [one for one in run.jobs if not one.retried]:
        if job.status in ("failed", "canceled"):
            asked.world.retry(job)
    return Answer(201, asked.telling.pipeline(run))


@answers("pipelines/jobs")
def jobs(asked: Asked) -> Answer:
    return Answer(200, _jobs(asked, bridges=False))


@answers("pipelines/bridges")
def bridges(asked: Asked) -> Answer:
    return Answer(200, _jobs(asked, bridges=True))


@answers("jobs/get")
def job(asked: Asked) -> Answer:
    return Answer(200, asked.telling.job(_job(asked)))


@answers("jobs/trace")
def trace(asked: Asked) -> Answer:
    return Answer(200, text=_job(asked).trace)


@answers("jobs/retry")
def job_retried(asked: Asked) -> Answer:
    asked.at_least(DEVELOPER)
    one = _job(asked)
    if one.retried or one.status not in ("failed", "canceled", "success"):
        raise Refused(403, "403 Forbidden - Job is not retryable")
    return Answer(201, asked.telling.job(asked.world.retry(one)))


@answers("statuses/list")
def statuses(asked: Asked) -> Answer:
    """Jobs are among them."""
    at, sha, telling = asked.at, found(asked.at.bare.find(asked.path["sha"])), asked.telling
    jobs = [one for run in at.pipelines if run.sha == sha for one in run.jobs if not one.retried]
    told = [*map(telling.job_as_status, jobs)]
    told += [telling.status(one) for one in at.statuses if one.sha == sha]
    kept = [
        one
        for one in told
        if asked.query.get("name", one["name"]) == one["name"]
        and asked.query.get("pipeline_id", str(one["pipeline_id"])) == str(one["pipeline_id"])
    ]
    return Answer(200, asked.page_of(kept))


@answers("statuses/create")
def said(asked: Asked) -> Answer:
    asked.at_least(DEVELOPER)
    sha, given = found(asked.at.bare.find(asked.path["sha"])), asked.given
    made = asked.world.commit_status(
        asked.at, sha, given("name", given("context", "default")), given("state"), author=asked.by,
        ref=given("ref"), description=given("description"), target_url=given("target_url"),
    )  # fmt: skip
    return Answer(201, asked.telling.status(made))


def _pipeline(asked: Asked) -> Pipeline:
    return of_id(asked.at.pipelines, asked.path["pipeline_id"])


def _job(asked: Asked) -> Job:
    every = [one for run in asked.at.pipelines for one in run.jobs if not one.bridge]
    return of_id(every, asked.path["job_id"])


def _jobs(asked: Asked, *, bridges: bool) -> Sequence[object]:
    """The newest first, as the host lists them; of those that ran again only the last."""
    wanted = {*asked.several.get("scope[]", ()), *asked.several.get("scope", ())}
    every = asked.query.get("include_retried") == "true"
    kept = [
        one
        for one in _pipeline(asked).jobs[::-1]
        if one.bridge == bridges
        and (every or not one.retried)
        and (not wanted or one.status in wanted)
    ]
    return [asked.telling.job(one) for one in asked.page_of(kept)]
