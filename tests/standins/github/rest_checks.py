"""Check runs, statuses and jobs: https://docs.github.com/rest/checks"""

from typing import Any

from standins.github.records import CheckRun, Job, Run
from standins.github.rest import Answer, Asked, answers, found, of_id

_LOGS = "/logs/{job}"  # on another origin, which see in `host.py`


@answers("checks/list-for-ref")
def listed(asked: Asked) -> Answer:
    sha, query = asked.sha(), asked.query
    every = asked.world.all_checks if query.get("filter") == "all" else asked.world.latest_checks
    kept = [
        one
        for one in every(asked.at, sha)
        if query.get("check_name") in (None, one.name) and query.get("status") in (None, one.status)
    ]
    told = [asked.telling.check(one) for one in asked.page_of(kept)]
    return Answer(200, {"total_count": len(kept), "check_runs": told})


@answers("checks/get")
def shown(asked: Asked) -> Answer:
    return Answer(200, asked.telling.check(_check(asked)))


@answers("checks/create")
def created(asked: Asked) -> Answer:
    output: dict[str, Any] = asked.given("output", {})
    made = asked.world.check_run(
        asked.at, asked.given("name"), asked.given("conclusion"), sha=asked.given("head_sha"),
        status=asked.given("status", "queued"), details_url=asked.given("details_url"),
        external_id=asked.given("external_id", ""), by=asked.by, title=output.get("title"),
        summary=output.get("summary"), text=output.get("text"), app=asked.by.login,
    )  # fmt: skip
    return Answer(201, asked.telling.check(made))


@answers("checks/update")
def updated(asked: Asked) -> Answer:
    check = _check(asked)
    output: dict[str, Any] = asked.given("output", {})
    for name, value in output.items():
        setattr(check, name, value)
    check.name = asked.given("name", check.name)
    check.status = asked.given("status", check.status)
    if conclusion := asked.given("conclusion"):
        asked.world.conclude(check, conclusion, asked.by)
    return Answer(200, asked.telling.check(check))


@answers("repos/get-combined-status-for-ref")
def combined(asked: Asked) -> Answer:
    sha, at = asked.sha(), asked.at
    said = asked.world.latest_statuses(at, sha)
    states = {one.state for one in said}
    bad = "failure" if states & {"failure", "error"} else "pending"
    state = "success" if said and states == {"success"} else bad
    told = [asked.telling.status(one) for one in asked.page_of(said)]
    own = asked.telling.api(at, "commits", sha)
    return Answer(200, {
        "state": state, "sha": sha, "total_count": len(said), "statuses": told,
        "repository": asked.telling.repository(at), "url": f"{own}/status", "commit_url": own,
    })  # fmt: skip


@answers("repos/list-commit-statuses-for-ref")
def statuses(asked: Asked) -> Answer:
    sha = asked.sha()
    kept = [one for one in asked.world.statuses if (one.repository, one.sha) == (asked.at, sha)]
    return Answer(200, [asked.telling.status(one) for one in asked.page_of(kept[::-1])])


@answers("repos/create-commit-status")
def said(asked: Asked) -> Answer:
    made = asked.world.status(
        asked.at, asked.given("context", "default"), asked.given("state"), sha=asked.sha("sha"),
        description=asked.given("description"), target_url=asked.given("target_url"), by=asked.by,
    )  # fmt: skip
    return Answer(201, asked.telling.status(made))


@answers("actions/list-workflow-runs-for-repo")
def runs(asked: Asked) -> Answer:
    query = asked.query
    kept = [
        one
        for one in reversed(_runs(asked))
        if query.get("head_sha") in (None, one.sha) and query.get("branch") in (None, one.branch)
    ]
    told = [asked.telling.run(one) for one in asked.page_of(kept)]
    return Answer(200, {"total_count": len(kept), "workflow_runs": told})


@answers("actions/get-workflow-run")
def run(asked: Asked) -> Answer:
    return Answer(200, asked.telling.run(of_id(_runs(asked), asked.path["run_id"])))


@answers("actions/list-jobs-for-workflow-run")
def jobs(asked: Asked) -> Answer:
    every = of_id(_runs(asked), asked.path["run_id"]).jobs
    told = [asked.telling.job(one) for one in asked.page_of(every)]
    return Answer(200, {"total_count": len(every), "jobs": told})


@answers("actions/get-job-for-workflow-run")
def job(asked: Asked) -> Answer:
    return Answer(200, asked.telling.job(_job(asked)))


@answers("actions/download-job-logs-for-workflow-run")
def log(asked: Asked) -> Answer:
    found(_job(asked).check.conclusion)
    return Answer(302, headers={"location": _LOGS.format(job=_job(asked).id)})


@answers("actions/re-run-workflow-failed-jobs")
def again(asked: Asked) -> Answer:
    one = of_id(_runs(asked), asked.path["run_id"])
    one.attempt += 1
    for failed in [job for job in one.jobs if job.check.conclusion not in ("success", None)]:
        asked.world.job(
            asked.at, failed.check.name, None, workflow=one.name, sha=one.sha, file=one.file
        )
        one.jobs.remove(failed)
    return Answer(201, {})


def _runs(asked: Asked) -> list[Run]:
    return [one for one in asked.world.runs if one.repository is asked.at]


def _job(asked: Asked) -> Job:
    return of_id([one for run in _runs(asked) for one in run.jobs], asked.path["job_id"])


def _check(asked: Asked) -> CheckRun:
    every = [one for one in asked.world.checks if one.suite.repository is asked.at]
    return of_id(every, asked.path["check_run_id"])
