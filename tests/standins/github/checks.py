"""What is said of commits: check runs, statuses and jobs."""

from typing import Literal

from standins.github.issues import Issues
from standins.github.records import (
    CheckRun,
    CheckSuite,
    Job,
    Moment,
    Pull,
    Repository,
    Run,
    Status,
    User,
)

Where = Pull | Repository
Verdict = Literal["SUCCESS", "FAILURE", "ERROR", "PENDING"]
StatusState = Literal["error", "failure", "pending", "success"]
ACTIONS = "github-actions"
_PASSED = ("success", "neutral", "skipped")


class Checks(Issues):
    """`where` is a pull request, whose head is meant, or a repository with a `sha`."""

    def check_run(
        self, where: Where, name: str, conclusion: str | None = "success", *,
        status: str = "completed", sha: str | None = None, app: str = ACTIONS,
        title: str | None = None, summary: str | None = None, text: str | None = None,
        details_url: str | None = None, external_id: str = "", by: User | None = None,
        file: str = "",
    ) -> CheckRun:  # fmt: skip
        """A check; without a conclusion it still runs."""
        at, sha = _at(where, sha)
        now = self.moment()
        status = status if conclusion or status != "completed" else "in_progress"
        made = CheckRun(
            id=self.next_id(), suite=self.suite(at, sha, app, file), name=name, status=status,
            conclusion=conclusion, started_at=None if status == "queued" else now,
            completed_at=now if conclusion else None, details_url=details_url,
            external_id=external_id, title=title, summary=summary, text=text,
        )  # fmt: skip
        self.checks.append(self.kept(made))
        self._told(made, "created", by)
        return made

    def conclude(self, check: CheckRun, conclusion: str, by: User | None = None) -> None:
        """A check ends."""
        check.status, check.conclusion, check.completed_at = "completed", conclusion, self.moment()
        self._told(check, "completed", by)

    def status(
        self, where: Where, context: str, state: StatusState = "success", *, sha: str | None = None,
        description: str | None = None, target_url: str | None = None, by: User | None = None,
    ) -> Status:  # fmt: skip
        """What something outside says of a commit."""
        at, sha = _at(where, sha)
        made = Status(
            id=self.next_id(), repository=at, sha=sha, creator=by or self.reviewer, state=state,
            context=context, description=description, target_url=target_url,
            created_at=self.moment(),
        )  # fmt: skip
        self.statuses.append(self.kept(made))
        self.tell("status", None, at, made.creator, status=made)
        self.heard_of(at, sha)
        return made

    def job(
        self, where: Where, name: str, conclusion: str | None = "success", *, log: str = "",
        workflow: str = "ci", branch: str = "", sha: str | None = None, file: str = "",
    ) -> Job:  # fmt: skip
        """A job of a workflow; it is a check run besides, as on the host. Two files may say that
        they are one workflow.
        """
        at, sha = _at(where, sha)
        branch = where.head if isinstance(where, Pull) else branch or at.default_branch
        run = self._run(at, workflow, branch, sha, file or f"{workflow}.yml")
        check = self.check_run(at, name, conclusion, sha=sha, file=run.file)
        check.details_url = f"{self.url}/{at.full_name}/actions/runs/{run.id}/job/{check.id}"
        run.jobs.append(Job(id=check.id, run=run, check=check, log=log))
        return run.jobs[-1]

    # -- what it comes to ------------------------------------------------------------------------

    def latest_checks(self, at: Repository, sha: str) -> list[CheckRun]:
        """The last run of each check in each suite of a commit."""
        found = {(one.suite, one.name): one for one in self.all_checks(at, sha)}
        return list(found.values())

    def all_checks(self, at: Repository, sha: str) -> list[CheckRun]:
        return [one for one in self.checks if (one.suite.repository, one.suite.sha) == (at, sha)]

    def latest_statuses(self, at: Repository, sha: str) -> list[Status]:
        """The last word of each context on a commit."""
        found = {
            one.context: one for one in self.statuses if (one.repository, one.sha) == (at, sha)
        }
        return list(found.values())

    def verdicts(self, at: Repository, sha: str) -> dict[str, Verdict]:
        """What each check and each context comes to."""
        checks: dict[str, Verdict] = {
            one.name: _verdict(one) for one in self.latest_checks(at, sha)
        }
        checks.update((one.context, _said(one)) for one in self.latest_statuses(at, sha))
        return checks

    def rollup(self, at: Repository, sha: str) -> Verdict | None:
        """All of them together; the worst counts."""
        found = [_verdict(one) for one in self.latest_checks(at, sha)]
        found += [_said(one) for one in self.latest_statuses(at, sha)]
        order: tuple[Verdict, ...] = ("FAILURE", "ERROR", "PENDING", "SUCCESS")
        return next((verdict for verdict in order if verdict in found), None)

    # -- for those who build on it ---------------------------------------------------------------

    def heard_of(self, at: Repository, sha: str) -> None:
        """Something new is known of a commit."""
        raise NotImplementedError

    def suite(self, at: Repository, sha: str, app: str, file: str = "") -> CheckSuite:
        """All that an app, or one run of a workflow, checks of a commit."""
        key = at, sha, app, file
        if key not in self.suites:
            made = CheckSuite(
                id=self.next_id(), repository=at, sha=sha, app=app, created_at=self.moment()
            )
            self.suites[key] = self.kept(made)
        return self.suites[key]

    def members(self, suite: CheckSuite) -> list[CheckRun]:
        return [one for one in self.checks if one.suite is suite]

    def _run(self, at: Repository, workflow: str, branch: str, sha: str, file: str) -> Run:
        for run in self.runs:
            if (run.repository, run.file, run.sha) == (at, file, sha):
                return run
        now: Moment = self.moment()
        made = Run(
            id=self.next_id(), repository=at, name=workflow, file=file, branch=branch, sha=sha,
            created_at=now,
        )  # fmt: skip
        self.runs.append(self.kept(made))
        return made

    def _told(self, check: CheckRun, action: str, by: User | None) -> None:
        at, by = check.suite.repository, by or self.reviewer
        self.tell("check_run", action, at, by, check_run=check)
        if check.conclusion and action == "created":
            self.tell("check_run", "completed", at, by, check_run=check)
        if all(one.conclusion for one in self.members(check.suite)):
            self.tell("check_suite", "completed", at, by, check_suite=check.suite)
        self.heard_of(at, check.suite.sha)


def _at(where: Where, sha: str | None) -> tuple[Repository, str]:
    if isinstance(where, Pull):
        return where.repository, sha or where.head_sha
    found = where.bare.find(sha or where.default_branch)
    assert found, f"{where.full_name} has no commit {sha}"
    return where, found


def _verdict(check: CheckRun) -> Verdict:
    if not check.conclusion:
        return "PENDING"
    return "SUCCESS" if check.conclusion in _PASSED else "FAILURE"


def _said(status: Status) -> Verdict:
    told: dict[str, Verdict] = {
        "success": "SUCCESS", "failure": "FAILURE", "error": "ERROR", "pending": "PENDING"
    }  # fmt: skip
    return told[status.state]
