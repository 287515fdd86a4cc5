"""Pipelines, their jobs, and what is said of commits from outside."""

from collections.abc import Mapping, Sequence
from typing import Any

from standins.gitlab.issues import Issues
from standins.gitlab.records import Job, MergeRequest, Pipeline, Project, Status, User
from standins.gitlab.things import ACTIVE

_FIRST = ("running", "pending", "created", "manual", "failed", "canceled")


class Pipelines(Issues):
    """What is built and tested."""

    def pipeline(
        self, about: MergeRequest | Project | str, jobs: Mapping[str, str] | None = None, *,
        sha: str | None = None, ref: str | None = None, source: str | None = None,
        status: str | None = None, user: User | None = None, together: bool = False,
    ) -> Pipeline:  # fmt: skip
        """A new pipeline, with jobs by name; `together` is for what comes of merging."""
        one = about if isinstance(about, MergeRequest) else None
        at = about.project if isinstance(about, MergeRequest) else self.named(about)
        tip = self._joint(one) if one and together else one.sha if one else None
        of_one = one and f"refs/merge-requests/{one.iid}/{'merge' if together else 'head'}"
        now, heads = self.moment(), at.bare.heads()
        made = Pipeline(
            id=self.next_id(), iid=len(at.pipelines) + 1, project=at, user=user or self.person,
            sha=sha or tip or heads[ref or at.default_branch],
            ref=ref or of_one or at.default_branch,
            source=source or ("merge_request_event" if one else "push"),
            created_at=now, updated_at=now, merge_request=one, given=status,
        )  # fmt: skip
        at.pipelines.append(made)
        for name, result in (jobs or {}).items():
            self._job(made, name, result)
        self._moved_on(made)
        return made

    def job(self, pipeline: Pipeline, name: str, status: str = "success", **more: Any) -> Job:
        """A further job: see `Job` for its stage, trace, and whether it may fail."""
        made = self._job(pipeline, name, status, **more)
        self._moved_on(pipeline)
        return made

    def bridge(self, pipeline: Pipeline, name: str, status: str = "success", **more: Any) -> Job:
        """A job that starts another pipeline, which is `downstream`."""
        return self.job(pipeline, name, status, bridge=True, **more)

    def conclude(self, job: Job, status: str, trace: str | None = None) -> None:
        """A job has come to this."""
        job.status = status
        job.trace = job.trace if trace is None else trace
        self.tell("build", job.pipeline.project, job.pipeline.user, job=job)
        self._moved_on(job.pipeline)

    def set_jobs(self, pipeline: Pipeline, jobs: Mapping[str, str]) -> None:
        """Have its jobs stand so; those it has not are made."""
        known = {job.name: job for job in pipeline.jobs if not job.retried}
        for name, status in jobs.items():
            if name in known:
                known[name].status = status
            else:
                self._job(pipeline, name, status)
        self._moved_on(pipeline)

    def retry(self, job: Job) -> Job:
        """Run a job once more; the old one is kept, out of sight."""
        job.retried = True
        return self.job(
            job.pipeline, job.name, "pending", stage=job.stage, allow_failure=job.allow_failure
        )

    def commit_status(
        self, path: str | Project, sha: str, name: str = "default", state: str = "success", *,
        author: User | None = None, **more: Any,
    ) -> Status:  # fmt: skip
        """Something outside says of a commit how it is, in a pipeline of its own if need be."""
        at = self.named(path)
        ref = more.pop("ref", None) or self._branch_of(at, sha)
        said = [one for one in at.pipelines if one.sha == sha]
        run = said[-1] if said else self.pipeline(at, sha=sha, ref=ref, source="external")
        made = Status(
            id=self.next_id(), sha=sha, ref=ref, name=name, state=state, pipeline=run,
            author=author or self.person, created_at=self.moment(), **more,
        )  # fmt: skip
        at.statuses = [one for one in at.statuses if (one.sha, one.name) != (sha, name)]
        at.statuses.append(made)
        self._moved_on(run)
        return made

    # -- what it comes to ------------------------------------------------------------------------

    def status(self, pipeline: Pipeline) -> str:
        """What all of its jobs come to."""
        outside = [one for one in pipeline.project.statuses if one.pipeline is pipeline]
        jobs = [job for job in pipeline.jobs if not job.retried and not _forgiven(job)]
        said = [*(one.state for one in outside), *(job.status for job in jobs)]
        return pipeline.given or _together(said)

    def head_pipeline(self, one: MergeRequest) -> Pipeline | None:
        """The newest pipeline, if it is for the commit it is at, or for that and its target."""
        for newest in self.pipelines(one)[:1]:
            if one.sha in (newest.sha, *newest.project.bare.commit(newest.sha).parents):
                return newest
        return None

    def pipelines(self, one: MergeRequest) -> list[Pipeline]:
        """All that ran for it or for its branch, the newest first."""
        at = {one.project.id: one.project, one.source.id: one.source}
        kept = [
            run
            for project in at.values()
            for run in project.pipelines
            if run.source != "parent_pipeline" and _is_about(run, one)
        ]
        return sorted(kept, key=lambda run: run.id, reverse=True)

    def heard_of(self, at: Project, sha: str) -> None:
        """What is known of a commit has changed."""
        raise NotImplementedError

    def _job(self, pipeline: Pipeline, name: str, status: str, **more: Any) -> Job:
        reason = "script_failure" if status == "failed" else None
        told: dict[str, Any] = {"stage": "test", "failure_reason": reason, **more}
        made = Job(
            id=self.next_id(), pipeline=pipeline, name=name, status=status,
            created_at=self.moment(), **told,
        )  # fmt: skip
        pipeline.jobs.append(made)
        return made

    def _moved_on(self, pipeline: Pipeline) -> None:
        pipeline.updated_at = self.moment()
        self.tell("pipeline", pipeline.project, pipeline.user, pipeline=pipeline)
        about = pipeline.merge_request
        self.heard_of(pipeline.project, about.sha if about else pipeline.sha)

    def _joint(self, one: MergeRequest) -> str:
        """A commit of both branches together, as pipelines for what comes of a merge have it."""
        bare = one.project.bare
        base = bare.heads()[one.target_branch]
        tree = bare.joined(base, one.sha)
        assert tree, "it conflicts"
        return bare.record(tree, [base, one.sha], f"Merge {one.sha} into {base}")

    def _branch_of(self, at: Project, sha: str) -> str:
        heads = at.bare.heads()
        return next((name for name, tip in heads.items() if tip == sha), at.default_branch)


def _together(said: Sequence[str]) -> str:
    """As the host sums up: what still runs comes first, then what went wrong."""
    if not said:
        return "pending"
    found = next((status for status in _FIRST if status in said), None)
    if found is None:
        return "skipped" if set(said) == {"skipped"} else "success"
    if found in ("pending", "created") and set(said) & {"success", "failed"}:
        return "running"
    return "running" if found in ACTIVE and "failed" in said else found


def _is_about(run: Pipeline, one: MergeRequest) -> bool:
    """A branch's pipelines are where the branch is, which may be a fork."""
    if run.merge_request:
        return run.merge_request is one
    return run.project is one.source and run.ref == one.source_branch


def _forgiven(job: Job) -> bool:
    return job.allow_failure and job.status in ("failed", "canceled", "manual")
