"""What the host tells of each thing. The description says which part of it an answer shows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from standins.git import Changed, Commit
from standins.gitlab.records import (
    Discussion,
    Hook,
    Issue,
    Job,
    Label,
    Link,
    MergeRequest,
    Note,
    Pipeline,
    Project,
    Rule,
    Status,
    User,
    Version,
)
from standins.gitlab.world import World

Facts = dict[str, Any]


class Telling:
    """Facts of the world, as its addresses and its records have them."""

    def __init__(self, world: World) -> None:
        self._world = world

    def page(self, at: Project, *steps: object) -> str:
        return "/".join([self._world.url, at.path, "-", *map(str, steps)])

    def user(self, one: User | None) -> Facts | None:
        if one is None:
            return None
        return {
            "id": one.id, "username": one.username, "name": one.name, "state": "active",
            "locked": False, "avatar_url": None, "web_url": f"{self._world.url}/{one.username}",
            "public_email": None, "bot": one.bot, "created_at": "2011-01-25T18:44:36.000Z",
            "email": f"{one.username}@example.invalid",
        }  # fmt: skip

    def users(self, some: Sequence[User]) -> list[Facts | None]:
        return [self.user(one) for one in some]

    def project(self, one: Project, by: User) -> Facts:
        level = one.members.get(by)
        spaced = one.path.replace("/", " / ")
        return {
            "id": one.id, "name": one.name, "name_with_namespace": spaced, "path": one.name,
            "path_with_namespace": one.path, "created_at": one.created_at,
            "default_branch": one.default_branch, "web_url": f"{self._world.url}/{one.path}",
            "http_url_to_repo": f"{self._world.url}/{one.path}.git",
            "ssh_url_to_repo": f"git@host.invalid:{one.path}.git",
            "namespace": self._namespace(one), "visibility": one.visibility, "description": None,
            "issues_enabled": True, "merge_requests_enabled": True, "jobs_enabled": True,
            "open_issues_count": sum(i.state == "opened" for i in one.issues.values()),
            "only_allow_merge_if_pipeline_succeeds": one.pipeline_must_succeed,
            "allow_merge_on_skipped_pipeline": one.skipped_will_do,
            "only_allow_merge_if_all_discussions_are_resolved": one.discussions_must_be_resolved,
            "remove_source_branch_after_merge": one.delete_merged,
            "merge_method": one.merge_method, "squash_option": one.squash_option,
            **({"merge_trains_enabled": one.merge_trains} if one.tier != "free" else {}),
            "last_activity_at": one.created_at,
            "permissions": {
                "project_access": level and {"access_level": level, "notification_level": 3},
                "group_access": None,
            },
        }  # fmt: skip

    def member(self, at: Project, one: User) -> Facts:
        level = {"access_level": at.members[one], "membership_state": "active"}
        return {**(self.user(one) or {}), **level, "created_at": at.created_at, "expires_at": None}

    def label(self, one: Label) -> Facts:
        told = {"id": one.id, "name": one.name, "color": one.color, "text_color": "#FFFFFF"}
        more = {"description_html": one.description, "is_project_label": True}
        return {**told, "description": one.description, **more}

    def labels(self, one: Issue) -> list[Facts]:
        """Its labels with all that is known of them."""
        return [self.label(label) for label in sorted(one.labels, key=lambda x: x.name)]

    # -- git -------------------------------------------------------------------------------------

    def commit(self, one: Commit, at: Project) -> Facts:
        when = {"created_at": one.at, "authored_date": one.at, "committed_date": one.at}
        return {
            "id": one.sha, "short_id": one.sha[:8], "parent_ids": list(one.parents), **when,
            "title": one.message.partition("\n")[0], "message": one.message,
            "author_name": one.author, "author_email": one.email,
            "committer_name": one.author, "committer_email": one.email,
            "web_url": self.page(at, "commit", one.sha),
        }  # fmt: skip

    def branch(self, name: str, sha: str, at: Project) -> Facts:
        main = name == at.default_branch
        return {
            "name": name, "default": main, "protected": main, "can_push": True,
            "merged": not main and at.bare.holds(at.bare.heads()[at.default_branch], sha),
            "web_url": self.page(at, "tree", name), "commit": self.commit(at.bare.commit(sha), at),
        }  # fmt: skip

    def diff(self, one: Changed) -> Facts:
        return {
            "diff": one.patch, "new_path": one.name, "old_path": one.name,
            "a_mode": "0" if one.status == "added" else "100644",
            "b_mode": "0" if one.status == "removed" else "100644",
            "new_file": one.status == "added", "deleted_file": one.status == "removed",
            "renamed_file": False, "generated_file": False,
        }  # fmt: skip

    def status(self, one: Status) -> Facts:
        return {
            "id": one.id, "sha": one.sha, "ref": one.ref, "status": one.state, "name": one.name,
            "target_url": one.target_url, "description": one.description,
            "created_at": one.created_at, "allow_failure": False, "pipeline_id": one.pipeline.id,
            "author": self.user(one.author),
        }  # fmt: skip

    def job_as_status(self, one: Job) -> Facts:
        """Jobs are statuses of their commit, too."""
        run = one.pipeline
        return {
            "id": one.id, "sha": run.sha, "ref": run.ref, "status": one.status, "name": one.name,
            "target_url": self.page(run.project, "jobs", one.id), "description": None,
            "created_at": one.created_at, "allow_failure": one.allow_failure,
            "pipeline_id": run.id, "author": self.user(run.user),
        }  # fmt: skip

    # -- pipelines -------------------------------------------------------------------------------

    def pipeline(self, one: Pipeline | None) -> Facts | None:
        if one is None:
            return None
        status = self._world.status(one)
        done = one.created_at if status in ("success", "failed", "canceled") else None
        page = self.page(one.project, "pipelines", one.id)
        return {
            "id": one.id, "iid": one.iid, "project_id": one.project.id, "sha": one.sha,
            "ref": one.ref, "status": status, "source": one.source, "web_url": page,
            "created_at": one.created_at, "updated_at": one.updated_at, "before_sha": "0" * 40,
            "tag": False, "user": self.user(one.user), "started_at": one.created_at,
            "finished_at": done, "name": None, "yaml_errors": one.yaml_errors,
            "detailed_status": {
                "icon": f"status_{status}", "text": status.title(), "label": status,
                "group": status, "tooltip": status, "has_details": True, "details_path": page,
                "favicon": f"{self._world.url}/favicon.png",
            },
        }  # fmt: skip

    def job(self, one: Job) -> Facts:
        at = one.pipeline.project
        reason = {"failure_reason": one.failure_reason} if one.status == "failed" else {}
        done = one.created_at if one.status in ("success", "failed", "canceled") else None
        down = {"downstream_pipeline": self.pipeline(one.downstream)} if one.bridge else {}
        return {
            "id": one.id, "status": one.status, "stage": one.stage, "name": one.name,
            "ref": one.pipeline.ref, "allow_failure": one.allow_failure, **reason, **down,
            "created_at": one.created_at, "started_at": done, "finished_at": done,
            "user": self.user(one.pipeline.user), "pipeline": self.pipeline(one.pipeline),
            "commit": self.commit(at.bare.commit(one.pipeline.sha), at),
            "web_url": self.page(at, "jobs", one.id),
        }  # fmt: skip

    # -- merge requests --------------------------------------------------------------------------

    def merge_request(self, one: MergeRequest) -> Facts:
        """As a list shows it."""
        world, user, wish = self._world, self.user, one.auto_merge
        return {
            **self._issuable(one), "merged_by": user(one.merged_by), "merged_at": one.merged_at,
            "merge_user": user(one.merged_by or (wish and wish.by)),
            "target_branch": one.target_branch, "source_branch": one.source_branch,
            "reviewers": self.users(one.reviewers), "source_project_id": one.source.id,
            "target_project_id": one.project.id, "draft": one.draft, "work_in_progress": one.draft,
            "merge_when_pipeline_succeeds": wish is not None,
            "merge_status": world.merge_status(one),
            "detailed_merge_status": world.detailed_status(one), "sha": one.sha,
            "merge_commit_sha": one.merge_commit_sha, "squash_commit_sha": one.squash_commit_sha,
            "should_remove_source_branch": wish.remove_source if wish else None,
            "force_remove_source_branch": one.remove_source, "prepared_at": one.prepared_at,
            "reference": f"!{one.iid}", "squash": one.squash,
            "squash_on_merge": one.squash or one.project.squash_option == "always",
            "has_conflicts": world.conflicts(one),
            "blocking_discussions_resolved": not (
                one.project.discussions_must_be_resolved and world.unresolved(one)
            ),
            **({"approvals_before_merge": None} if one.project.tier != "free" else {}),
        }  # fmt: skip

    def whole_merge_request(self, one: MergeRequest, by: User) -> Facts:
        """As it is shown alone; one that was just made has no diff yet."""
        refs = {"base_sha": one.base_sha, "head_sha": one.sha, "start_sha": one.start_sha}
        runs, ready = self._world.pipelines(one), one.prepared_at is not None
        run = runs[0] if runs else None
        changed = one.project.bare.changed(one.start_sha, one.sha) if ready else []
        return {
            **self.merge_request(one), "subscribed": False, "merge_error": one.merge_error,
            "changes_count": str(len(changed)) if ready else None,
            "pipeline": self.pipeline(run), "head_pipeline": self.pipeline(run),
            "diff_refs": refs if ready else None, "first_contribution": False,
            "user": {"can_merge": self._world.may_merge(one, by)},
        }  # fmt: skip

    def approvals(self, one: MergeRequest, by: User) -> Facts:
        world, rules = self._world, one.project.rules
        told = {
            "user_has_approved": by in one.approvals,
            "user_can_approve": world.may_approve(one, by),
            "approved": world.is_approved(one),
            "approved_by": [
                {"user": self.user(user), "approved_at": at} for user, at in one.approvals.items()
            ],
        }
        if one.project.tier == "free":
            return told
        left = [rule for rule in rules if len(world.approved(one, rule)) < rule.required]
        return {
            **self._issuable(one), **told, "merge_status": world.merge_status(one),
            "approvals_required": sum(rule.required for rule in rules),
            "approvals_left": world.approvals_left(one), "require_password_to_approve": False,
            "approval_rules_left": [self._rule(rule) for rule in left],
            "has_approval_rules": bool(rules),
        }  # fmt: skip

    def approval_state(self, one: MergeRequest) -> Facts:
        rules = [self._whole_rule(one, rule) for rule in one.project.rules]
        return {"approval_rules_overwritten": False, "rules": rules}

    def _whole_rule(self, one: MergeRequest, rule: Rule) -> Facts:
        done = self._world.approved(one, rule)
        return {
            **self._rule(rule), "approvals_required": rule.required,
            "eligible_approvers": self.users(self._world.eligible(one, rule)),
            "users": self.users(rule.users), "approved_by": self.users(done),
            "approved": len(done) >= rule.required,
        }  # fmt: skip

    def _rule(self, rule: Rule) -> Facts:
        kind = "regular" if rule.users else "any_approver"
        return {"id": rule.id, "name": rule.name, "rule_type": kind}

    def version(self, one: MergeRequest, made: Version) -> Facts:
        changed = one.project.bare.changed(made.start, made.head)
        return {
            "id": made.id, "head_commit_sha": made.head, "base_commit_sha": made.base,
            "start_commit_sha": made.start, "created_at": made.created_at,
            "merge_request_id": one.id, "state": "collected", "real_size": str(len(changed)),
        }  # fmt: skip

    def reviewer(self, one: MergeRequest, user: User) -> Facts:
        state = self._world.reviewer_state(one, user)
        return {"user": self.user(user), "state": state, "created_at": one.created_at}

    def train(self, one: MergeRequest) -> Facts:
        assert one.train
        run = self.pipeline(self._world.head_pipeline(one))
        told = {**one.train, "user": self.user(one.train["user"]), "pipeline": run}
        more = {"target_branch": one.target_branch, "updated_at": one.train["created_at"]}
        return {**told, **more, "merge_request": self.merge_request(one)}

    # -- issues and what is said -----------------------------------------------------------------

    def issue(self, one: Issue) -> Facts:
        return {
            **self._issuable(one), "type": "ISSUE", "issue_type": "issue", "has_tasks": False,
            "confidential": one.confidential, "severity": "UNKNOWN", "moved_to_id": None,
            **({"weight": None} if one.project.tier != "free" else {}),
        }  # fmt: skip

    def linked(self, one: Link) -> Facts:
        when = {"link_created_at": one.created_at, "link_updated_at": one.created_at}
        link = {"issue_link_id": one.id, "link_type": one.type, **when}
        return {**self.issue(one.target), **link}

    def note(self, one: Note) -> Facts:
        at = one.about
        told: Facts = {
            "id": one.id, "type": one.type, "body": one.body, "author": self.user(one.author),
            "created_at": one.created_at, "updated_at": one.updated_at, "system": one.system,
            "noteable_id": at.id, "noteable_type": at.kind, "noteable_iid": at.iid,
            "project_id": at.project.id, "resolvable": one.resolvable, "imported": False,
            "confidential": one.internal, "internal": one.internal, "commands_changes": {},
        }  # fmt: skip
        if one.resolvable:
            resolved = {"resolved": one.resolved_by is not None, "resolved_at": one.resolved_at}
            told |= {**resolved, "resolved_by": self.user(one.resolved_by)}
        if not one.resolved_at:
            told.pop("resolved_at", None)
        return told | ({"position": one.position, "commit_id": None} if one.position else {})

    def discussion(self, one: Discussion) -> Facts:
        notes = [self.note(note) for note in one.notes]
        return {"id": one.id, "individual_note": one.individual, "notes": notes}

    def hook(self, one: Hook, at: Project) -> Facts:
        wants = dict.fromkeys(one.wants, True)
        told = {"id": one.id, "url": one.url, "project_id": at.id, "created_at": one.created_at}
        more = {"alert_status": "executable", "enable_ssl_verification": True}
        return {**told, **more, **wants, **one.settings}

    def _issuable(self, one: Issue) -> Facts:
        said = [note for note in one.notes if not note.system]
        kind = "merge_requests" if isinstance(one, MergeRequest) else "issues"
        short = f"{one.sign}{one.iid}"
        return {
            "id": one.id, "iid": one.iid, "project_id": one.project.id, "title": one.title,
            "description": one.description, "state": one.state, "created_at": one.created_at,
            "updated_at": one.updated_at, "closed_at": one.closed_at,
            "closed_by": self.user(one.closed_by), "labels": sorted(x.name for x in one.labels),
            "assignees": self.users(one.assignees),
            "assignee": self.user(one.assignees[0]) if one.assignees else None,
            "author": self.user(one.author), "user_notes_count": len(said),
            "discussion_locked": one.locked, "web_url": self.page(one.project, kind, one.iid),
            "references": {"short": short, "relative": short, "full": one.project.path + short},
        }  # fmt: skip

    def _namespace(self, one: Project) -> Facts:
        name = one.group.rpartition("/")[2]
        page = f"{self._world.url}/groups/{one.group}"
        told = {"id": len(one.group), "name": name, "path": name, "kind": "group"}
        return {**told, "full_path": one.group, "web_url": page}


def moment_of(text: str) -> datetime:
    """A moment of the host as a moment."""
    return datetime.fromisoformat(text)
