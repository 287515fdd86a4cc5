"""What the host tells of each thing. The description says which part of it an answer shows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from standins.git import Changed, Commit
from standins.github.records import (
    CheckRun,
    CheckSuite,
    Comment,
    Issue,
    Job,
    Label,
    Pull,
    Repository,
    Review,
    ReviewComment,
    Run,
    Status,
    User,
)
from standins.github.world import World

Facts = dict[str, Any]


class Telling:
    """Facts of the world, as its addresses and its records have them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def api(self, at: Repository, *steps: object) -> str:
        return "/".join([self._world.url, "repos", at.full_name, *map(str, steps)])

    def page(self, at: Repository, *steps: object) -> str:
        return "/".join([self._world.url, at.full_name, *map(str, steps)])

    def at(self, seconds: float) -> str:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def user(self, one: User | None) -> Facts | None:
        if one is None:
            return None
        return {
            **_ids(one), "login": one.written, "type": one.kind, "user_view_type": "public",
            "url": f"{self._world.url}/users/{one.written}",
            "html_url": f"{self._world.url}/{one.written}",
            "created_at": "2011-01-25T18:44:36Z", "updated_at": "2011-01-25T18:44:36Z",
        }  # fmt: skip

    def repository(self, one: Repository) -> Facts:
        parent = self.repository(one.parent) if one.parent else None
        return {
            **({"parent": parent, "source": parent} if parent else {}),
            **_ids(one), "name": one.name, "full_name": one.full_name, "private": one.private,
            "owner": self.user(one.owner), "url": self.api(one), "html_url": self.page(one),
            "clone_url": f"{self.page(one)}.git", "fork": one.parent is not None,
            "default_branch": one.default_branch, "archived": False,
            "visibility": "private" if one.private else "public",
            "created_at": one.created_at, "updated_at": one.created_at, "pushed_at": one.created_at,
            "allow_merge_commit": "merge" in one.methods,
            "allow_squash_merge": "squash" in one.methods,
            "allow_rebase_merge": "rebase" in one.methods,
            "allow_auto_merge": one.auto_merge_allowed,
            "delete_branch_on_merge": one.delete_merged, "has_issues": True,
            "permissions": {"admin": False, "push": True, "pull": True},
            "open_issues_count": sum(issue.state == "open" for issue in one.issues.values()),
        }  # fmt: skip

    def label(self, one: Label, at: Repository) -> Facts:
        plain = {"name": one.name, "color": one.color, "description": one.description}
        return {**_ids(one), **plain, "url": self.api(at, "labels", one.name), "default": False}

    def issue(self, one: Issue) -> Facts:
        at = one.repository
        told = {
            **_ids(one), **_said(one), "number": one.number, "title": one.title, "state": one.state,
            "state_reason": one.state_reason, "closed_at": one.closed_at, "locked": False,
            "url": self.api(at, "issues", one.number), "user": self.user(one.author),
            "html_url": self.page(at, "pull" if isinstance(one, Pull) else "issues", one.number),
            "repository_url": self.api(at), "comments": len(one.comments), "milestone": None,
            "comments_url": self.api(at, "issues", one.number, "comments"),
            "labels": [self.label(label, at) for label in one.labels],
            "assignees": [self.user(user) for user in one.assignees],
            "assignee": self.user(one.assignees[0]) if one.assignees else None,
            "sub_issues_summary": _parts(one), "parent_issue_url": self._parent(one),
        }  # fmt: skip
        return {**told, "pull_request": self._link(one)} if isinstance(one, Pull) else told

    def _parent(self, one: Issue) -> str | None:
        whole = one.parent
        return self.api(whole.repository, "issues", whole.number) if whole else None

    def comment(self, one: Comment) -> Facts:
        at = one.issue.repository
        return {
            **_ids(one), **_said(one), "user": self.user(one.author),
            "url": self.api(at, "issues/comments", one.id),
            "issue_url": self.api(at, "issues", one.issue.number),
            "html_url": f"{self.issue(one.issue)['html_url']}#issuecomment-{one.id}",
        }  # fmt: skip

    def pull(self, one: Pull) -> Facts:
        """What a list tells too; whether it can be merged is not among it, as asking changes it."""
        at, plain = one.repository, self.issue(one)
        plain.pop("pull_request")
        return {
            **plain, "url": self.api(at, "pulls", one.number), "draft": one.draft,
            "issue_url": plain["url"], "merged_at": one.merged_at,
            "merge_commit_sha": one.merge_sha,
            "statuses_url": self.api(at, "statuses", one.head_sha),
            "requested_reviewers": [self.user(user) for user in one.reviewers],
            "requested_teams": [], "auto_merge": self._auto_merge(one), "_links": self._links(one),
            "head": self._side(one.head_repository, one.head_owner, one.head, one.head_sha),
            "base": self._side(at, at.owner, one.base, one.base_sha),
        }  # fmt: skip

    def counted_pull(self, one: Pull) -> Facts:
        """With all that is counted of it, as webhooks tell it."""
        head, bare = one.head_sha, one.repository.bare
        changed = bare.changed(one.base_sha, head)
        return {
            **self.pull(one), "merged": one.merged_at is not None,
            "merged_by": self.user(one.merged_by),
            "mergeable": None, "mergeable_state": "unknown", "rebaseable": None,
            "maintainer_can_modify": False, "comments": len(one.comments),
            "review_comments": sum(len(thread.comments) for thread in one.threads),
            "commits": len(bare.commits(one.base_sha, head)), "changed_files": len(changed),
            "additions": sum(file.additions for file in changed),
            "deletions": sum(file.deletions for file in changed),
        }  # fmt: skip

    def whole_pull(self, one: Pull) -> Facts:
        """All of it; who asks whether it can be merged has it worked out."""
        state = self._world.merge_state(one)
        together = None if state == "UNKNOWN" else state != "DIRTY"
        told = {"mergeable": together, "rebaseable": together, "mergeable_state": state.lower()}
        return {**self.counted_pull(one), **told}

    def review(self, one: Review) -> Facts:
        pull = one.pull_request
        html = f"{self.page(pull.repository, 'pull', pull.number)}#pullrequestreview-{one.id}"
        url = self.api(pull.repository, "pulls", pull.number)
        told = {
            **_ids(one), **_said(one), "user": self.user(one.author), "state": one.state,
            "commit_id": one.sha, "html_url": html, "pull_request_url": url,
            "_links": {"html": {"href": html}, "pull_request": {"href": url}},
        }  # fmt: skip
        return {**told, "submitted_at": one.submitted_at} if one.submitted_at else told

    def review_comment(self, one: ReviewComment) -> Facts:
        thread, pull = one.thread, one.thread.pull_request
        url = self.api(pull.repository, "pulls/comments", one.id)
        html = f"{self.page(pull.repository, 'pull', pull.number)}#discussion_r{one.id}"
        whole = self.api(pull.repository, "pulls", pull.number)
        told = {
            **_ids(one), **_said(one), "url": url, "html_url": html, "pull_request_url": whole,
            "user": self.user(one.author), "path": thread.path, "side": thread.side,
            "pull_request_review_id": one.review.id, "commit_id": pull.head_sha,
            "original_commit_id": thread.sha, "diff_hunk": "@@ -1 +1 @@", "subject_type": "line",
            "start_line": thread.start_line, "original_start_line": thread.start_line,
            "original_line": thread.line, "_links": {
                "self": {"href": url}, "html": {"href": html}, "pull_request": {"href": whole}},
        }  # fmt: skip
        if one.reply_to:
            told["in_reply_to_id"] = one.reply_to.id
        return told if self._world.outdated(thread) else {**told, "line": thread.line}

    def check(self, one: CheckRun) -> Facts:
        at, sha = one.suite.repository, one.suite.sha
        url, html = self.api(at, "check-runs", one.id), self.page(at, "runs", one.id)
        output = {"title": one.title, "summary": one.summary, "text": one.text}
        return {
            **_ids(one), "name": one.name, "head_sha": sha, "status": one.status, "url": url,
            "conclusion": one.conclusion, "started_at": one.started_at,
            "completed_at": one.completed_at, "external_id": one.external_id, "html_url": html,
            "details_url": one.details_url or html, "app": self._app(one.suite.app),
            "output": {**output, "annotations_count": 0, "annotations_url": f"{url}/annotations"},
            "check_suite": self.suite(one.suite), "pull_requests": [],
        }  # fmt: skip

    def suite(self, one: CheckSuite) -> Facts:
        at, all_of_it = one.repository, self._world.members(one)
        ended = all(check.conclusion for check in all_of_it)
        bad = [
            check.conclusion
            for check in all_of_it
            if check.conclusion not in ("success", "neutral", "skipped")
        ]
        return {
            **_ids(one), "head_sha": one.sha, "head_branch": None, "before": None, "after": one.sha,
            "status": "completed" if ended else "in_progress", "app": self._app(one.app),
            "conclusion": (bad[0] if bad else "success") if ended else None, "pull_requests": [],
            "url": self.api(at, "check-suites", one.id), "created_at": one.created_at,
            "updated_at": one.created_at, "latest_check_runs_count": len(all_of_it),
            "head_commit": self.plain_commit(at.bare.commit(one.sha)),
        }  # fmt: skip

    def status(self, one: Status) -> Facts:
        return {
            **_ids(one), "state": one.state, "context": one.context, "target_url": one.target_url,
            "description": one.description, "created_at": one.created_at,
            "updated_at": one.created_at,
            "creator": self.user(one.creator), "url": self.api(one.repository, "statuses", one.sha),
        }  # fmt: skip

    def run(self, one: Run) -> Facts:
        at, ended = one.repository, all(job.check.conclusion for job in one.jobs)
        bad = [
            job for job in one.jobs if job.check.conclusion not in ("success", "skipped", "neutral")
        ]
        return {
            **_ids(one), "name": one.name, "head_branch": one.branch, "head_sha": one.sha,
            "run_number": 1, "run_attempt": one.attempt, "event": "pull_request",
            "display_title": one.name, "workflow_id": 1,
            "path": f".github/workflows/{one.file}",
            "status": "completed" if ended else "in_progress",
            "conclusion": ("failure" if bad else "success") if ended else None,
            "url": self.api(at, "actions/runs", one.id),
            "html_url": self.page(at, "actions/runs", one.id),
            "created_at": one.created_at, "updated_at": one.created_at, "pull_requests": [],
            "repository": self.repository(at), "head_repository": self.repository(at),
            "head_commit": self.plain_commit(at.bare.commit(one.sha)),
        }  # fmt: skip

    def job(self, one: Job) -> Facts:
        at, check = one.run.repository, one.check
        return {
            **_ids(one), "run_id": one.run.id, "run_attempt": one.run.attempt, "name": check.name,
            "head_sha": one.run.sha, "head_branch": one.run.branch, "workflow_name": one.run.name,
            "run_url": self.api(at, "actions/runs", one.run.id), "status": check.status,
            "url": self.api(at, "actions/jobs", one.id), "html_url": check.details_url,
            "check_run_url": self.api(at, "check-runs", one.id), "conclusion": check.conclusion,
            "created_at": one.run.created_at, "started_at": check.started_at or one.run.created_at,
            "completed_at": check.completed_at, "labels": ["ubuntu-latest"],
            "steps": [_step(*step, at=n) for n, step in enumerate(one.steps, 1)],
        }  # fmt: skip

    def commit(self, one: Commit, at: Repository) -> Facts:
        person = {"name": one.author, "email": one.email, "date": one.at}
        url = self.api(at, "git/commits", one.sha)
        return {
            "sha": one.sha, "node_id": f"C_{one.sha}", "url": self.api(at, "commits", one.sha),
            "html_url": self.page(at, "commit", one.sha), "author": {}, "committer": {},
            "commit": {
                "url": url, "author": person, "committer": person, "message": one.message,
                "tree": {"sha": one.tree, "url": self.api(at, "git/trees", one.tree)}},
            "parents": [{"sha": sha, "url": self.api(at, "commits", sha)} for sha in one.parents],
        }  # fmt: skip

    def git_commit(self, one: Commit, at: Repository) -> Facts:
        person = {"name": one.author, "email": one.email, "date": one.at}
        unsigned = {"signature": None, "payload": None, "verified_at": None}
        return {
            "sha": one.sha, "node_id": f"C_{one.sha}", "message": one.message,
            "url": self.api(at, "git/commits", one.sha), "author": person, "committer": person,
            "html_url": self.page(at, "commit", one.sha),
            "tree": {"sha": one.tree, "url": self.api(at, "git/trees", one.tree)},
            "parents": [
                {"sha": sha, "url": self.api(at, "git/commits", sha),
                 "html_url": self.page(at, "commit", sha)} for sha in one.parents],
            "verification": {"verified": False, "reason": "unsigned", **unsigned},
        }  # fmt: skip

    def plain_commit(self, one: Commit) -> Facts:
        person = {"name": one.author, "email": one.email, "username": one.author, "date": one.at}
        return {
            "id": one.sha, "tree_id": one.tree, "message": one.message, "timestamp": one.at,
            "author": person, "committer": person, "distinct": True, "added": [], "removed": [],
            "modified": [], "url": f"{self._world.url}/commit/{one.sha}",
        }  # fmt: skip

    def file(self, one: Changed, pull: Pull) -> Facts:
        place = self.page(pull.repository, "blob", pull.head_sha, one.name)
        return {
            "sha": one.sha, "filename": one.name, "status": one.status, "additions": one.additions,
            "deletions": one.deletions, "changes": one.additions + one.deletions,
            "patch": one.patch,
            "blob_url": place, "raw_url": place.replace("/blob/", "/raw/"),
            "contents_url": self.api(pull.repository, "contents", one.name),
        }  # fmt: skip

    def _side(self, at: Repository | None, owner: User, branch: str, sha: str) -> Facts:
        told = self.repository(at) if at else None
        user = self.user(owner)
        return {
            "label": f"{owner.login}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": user,
            "repo": told,
        }

    def _link(self, one: Pull) -> Facts:
        html, url = (
            self.page(one.repository, "pull", one.number),
            self.api(one.repository, "pulls", one.number),
        )
        more = {
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "merged_at": one.merged_at,
        }
        return {"url": url, "html_url": html, **more}

    def _links(self, one: Pull) -> Mapping[str, Facts]:
        url = self.api(one.repository, "pulls", one.number)
        issue = self.api(one.repository, "issues", one.number)
        found = {
            "self": url, "html": self.page(one.repository, "pull", one.number), "issue": issue,
            "comments": f"{issue}/comments", "review_comments": f"{url}/comments",
            "review_comment": self.api(one.repository, "pulls/comments{/number}"),
            "commits": f"{url}/commits",
            "statuses": self.api(one.repository, "statuses", one.head_sha),
        }  # fmt: skip
        return {name: {"href": address} for name, address in found.items()}

    def _auto_merge(self, one: Pull) -> Facts | None:
        if not (wish := one.auto_merge):
            return None
        said = {"commit_title": wish.title or "", "commit_message": wish.message or ""}
        return {"enabled_by": self.user(wish.enabled_by), "merge_method": wish.method, **said}

    def _app(self, slug: str) -> Facts:
        made = "2018-07-30T09:30:17Z"
        return {
            "id": 15368, "slug": slug, "node_id": "A_kwDO15368", "name": slug, "description": "",
            "owner": self.user(self._world.user("github", "Organization")), "permissions": {},
            "events": [], "html_url": f"{self._world.url}/apps/{slug}", "created_at": made,
            "external_url": f"{self._world.url}/apps/{slug}", "updated_at": made,
        }  # fmt: skip


def _ids(one: Any) -> Facts:
    return {"id": one.id, "node_id": one.node_id}


def _said(one: Any) -> Facts:
    return {
        "body": one.body, "created_at": one.created_at, "updated_at": one.updated_at,
        "author_association": "OWNER",
    }  # fmt: skip


def _parts(one: Issue) -> Facts:
    done = sum(part.state == "closed" for part in one.parts)
    share = done * 100 // len(one.parts) if one.parts else 0
    return {"total": len(one.parts), "completed": done, "percent_completed": share}


def _step(name: str, conclusion: str, at: int) -> Facts:
    return {"name": name, "status": "completed", "conclusion": conclusion, "number": at}
