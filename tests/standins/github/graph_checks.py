"""The fields of GraphQL about commits and what is said of them."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from standins.github.graph_fields import NODE, Ask, Oid, fields, named, upper
from standins.github.records import CheckRun, CheckSuite, Pull, Record, Run, Status


@dataclass(frozen=True)
class Rollup:
    """All that is said of a commit."""

    commit: Oid
    state: str


@dataclass(frozen=True)
class Workflow:
    """What a run is of."""

    id: str
    name: str


@dataclass(frozen=True)
class Count:
    """How many stand so."""

    state: str
    count: int


def _counted(states: Iterable[str]) -> list[Count]:
    return [Count(state, count) for state, count in Counter(states).items()]


def rollup(one: Oid, ask: Ask) -> Rollup | None:
    """None, where nothing is said."""
    state = ask.world.rollup(one.repository, one.oid)
    return Rollup(one, state) if state else None


def _contexts(one: Rollup, ask: Ask, **page: Any) -> list[Record]:
    at, sha = one.commit.repository, one.commit.oid
    return [*ask.world.latest_checks(at, sha), *ask.world.latest_statuses(at, sha)]


def _required(
    one: CheckRun | Status, ask: Ask,
    pullRequestId: str | None = None, pullRequestNumber: int | None = None,
) -> bool:  # fmt: skip
    at = one.repository if isinstance(one, Status) else one.suite.repository
    pull = at.pulls.get(pullRequestNumber or 0)
    pull = ask.world.known(pullRequestId, Pull) if pullRequestId else pull
    name = one.context if isinstance(one, Status) else one.name
    return pull is not None and name in at.protection(pull.base).checks


def _run_of(one: CheckSuite, ask: Ask) -> Run | None:
    found = (run for run in ask.world.runs for job in run.jobs if job.check.suite is one)
    return next(found, None)


def _check_page(one: CheckRun, ask: Ask) -> str:
    return ask.telling.check(one)["html_url"]


def _conclusion(one: CheckSuite, ask: Ask) -> str | None:
    said = ask.telling.suite(one)["conclusion"]
    return said.upper() if said else None


fields(
    "Commit",
    {
        "id": lambda one, ask: f"C_{one.oid}",
        "committedDate": lambda one, ask: one.repository.bare.commit(one.oid).at,
        "message": lambda one, ask: one.repository.bare.commit(one.oid).message,
        "messageHeadline": lambda one, ask: one.repository.bare.commit(one.oid).message.partition(
            "\n"
        )[0],
        "statusCheckRollup": rollup,
        "url": lambda one, ask: ask.telling.page(one.repository, "commit", one.oid),
    },
)
fields("StatusCheckRollup", {"contexts": _contexts})
fields(
    "StatusCheckRollupContextConnection",
    {
        "checkRunCount": lambda one, ask: len([of for of in one.items if isinstance(of, CheckRun)]),
        "checkRunCountsByState": lambda one, ask: _counted(
            (of.conclusion or of.status).upper() for of in one.items if isinstance(of, CheckRun)
        ),
        "statusContextCount": lambda one, ask: len(
            [of for of in one.items if isinstance(of, Status)]
        ),
        "statusContextCountsByState": lambda one, ask: _counted(
            of.state.upper() for of in one.items if isinstance(of, Status)
        ),
    },
)
fields(
    "CheckRun",
    NODE,
    {
        "checkSuite": named("suite"),
        "conclusion": upper("conclusion"),
        "detailsUrl": lambda one, ask: ask.telling.check(one)["details_url"],
        "isRequired": _required,
        "permalink": _check_page,
        "repository": lambda one, ask: one.suite.repository,
        "status": upper("status"),
        "url": _check_page,
    },
)
fields(
    "CheckSuite",
    NODE,
    {
        "app": lambda one, ask: ask.telling.suite(one)["app"],
        "commit": lambda one, ask: Oid(one.repository, one.sha),
        "conclusion": _conclusion,
        "status": lambda one, ask: ask.telling.suite(one)["status"].upper(),
        "workflowRun": _run_of,
    },
)
fields(
    "WorkflowRun",
    NODE,
    {
        "event": lambda one, ask: "pull_request",
        "url": lambda one, ask: ask.telling.run(one)["html_url"],
        "workflow": lambda one, ask: Workflow(f"W_{one.repository.id}_{one.file}", one.name),
    },
)
fields(
    "StatusContext",
    NODE,
    {
        "commit": lambda one, ask: Oid(one.repository, one.sha),
        "isRequired": _required,
        "state": upper("state"),
    },
)
