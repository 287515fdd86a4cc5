"""What webhooks tell: https://docs.gitlab.com/user/project/integrations/webhook_events/"""

from collections.abc import Mapping
from typing import Any, cast

from standins.gitlab.facts import Facts, Telling, moment_of
from standins.gitlab.records import Issue, Job, Label, MergeRequest, Note, Pipeline, Project, User
from standins.gitlab.state import Event
from standins.gitlab.world import World

_USER = "id:int name username avatar_url:str? email"
_ISSUABLE = (
    "id:int iid:int title description:str? state author_id:int assignee_id:int? "
    "assignee_ids:[int] created_at updated_at labels:[HookedLabel] url "
)

EVENTS: Mapping[str, str] = {
    "HookedUser": _USER,
    "HookedProject": "id:int name description:str? web_url avatar_url:str? git_ssh_url "
    "git_http_url namespace visibility_level:int path_with_namespace default_branch homepage url "
    "ssh_url http_url",
    "HookedLabel": "id:int title color project_id:int? description:str? type",
    "HookedCommit": "id message title timestamp url",
    "HookedIssue": f"{_ISSUABLE} project_id:int confidential:bool action*",
    "HookedMergeRequest": f"{_ISSUABLE} target_branch source_branch source_project_id:int "
    "target_project_id:int reviewer_ids:[int] draft:bool work_in_progress:bool merge_status "
    "detailed_merge_status blocking_discussions_resolved:bool last_commit:HookedCommit "
    "merge_commit_sha:str? head_pipeline_id:int? source:HookedProject target:HookedProject "
    "action* oldrev*",
    "HookedNote": "id:int note noteable_type noteable_id:int author_id:int project_id:int "
    "created_at updated_at system:bool internal:bool type:str? discussion_id position:any? "
    "resolved_at:str? url action",
    "HookedPipeline": "id:int iid:int name:str? ref tag:bool sha before_sha source status "
    "detailed_status stages:[str] created_at finished_at:str? duration:int? url",
    "HookedBuild": "id:int stage name status allow_failure:bool failure_reason:str?",
    "RanFor": "id:int iid:int title source_branch source_project_id:int target_branch "
    "target_project_id:int state merge_status detailed_merge_status url",
    "issue": "object_kind event_type user:HookedUser project:HookedProject changes:any "
    "object_attributes:HookedIssue labels:[HookedLabel] assignees:[HookedUser]",
    "merge_request": "object_kind event_type user:HookedUser project:HookedProject changes:any "
    "object_attributes:HookedMergeRequest labels:[HookedLabel] assignees:[HookedUser] "
    "reviewers:[HookedUser]",
    "note": "object_kind event_type user:HookedUser project_id:int project:HookedProject "
    "object_attributes:HookedNote merge_request*:HookedMergeRequest issue*:HookedIssue",
    "pipeline": "object_kind user:HookedUser project:HookedProject commit:HookedCommit "
    "object_attributes:HookedPipeline merge_request:RanFor? builds:[HookedBuild]",
    "build": "object_kind ref tag:bool before_sha sha build_id:int build_name build_stage "
    "build_status build_allow_failure:bool build_failure_reason pipeline_id:int project_id:int "
    "project_name user:HookedUser project:HookedProject",
    "push": "object_kind event_name before after ref checkout_sha:str? user_id:int user_name "
    "user_username project_id:int project:HookedProject commits:[any] total_commits_count:int",
}
_NEVER_TOLD = {"oldrev"}  # among the changes


class Payloads:
    """Facts of events, of which `EVENTS` says which part is told."""

    def __init__(self, world: World) -> None:
        self._world, self._telling = world, Telling(world)

    def of(self, event: Event) -> Facts:
        kinds = {
            "issue": self._thing, "merge_request": self._thing, "note": self._note,
            "pipeline": self._pipeline, "build": self._job, "push": self._push,
        }  # fmt: skip
        told = {"object_kind": event.kind, "project": self._project(event.project)}
        who = {"user": self._telling.user(event.user), "project_id": event.project.id}
        by = {"user_name": event.user.name, "user_username": event.user.username}
        return {**told, **who, **by, "user_id": event.user.id, **kinds[event.kind](**event.about)}

    def _thing(self, thing: Issue, action: str, changed: Mapping[str, Any]) -> Facts:
        before = changed.get("oldrev", (None,))[0]
        own = {"action": action, **({"oldrev": before} if before else {})}
        is_one = isinstance(thing, MergeRequest)
        return {
            "event_type": "merge_request" if is_one else "issue",
            "object_attributes": {**self._attributes(thing), **own},
            "labels": [_label(one) for one in thing.labels],
            "assignees": self._telling.users(thing.assignees),
            "reviewers": self._telling.users(thing.reviewers) if is_one else [],
            "changes": {
                name: {"previous": self._plain(was), "current": self._plain(now)}
                for name, (was, now) in changed.items()
                if name not in _NEVER_TOLD
            },
        }  # fmt: skip

    def _attributes(self, thing: Issue) -> Facts:
        telling, own = self._telling, Facts()
        told = telling.issue(thing)
        if isinstance(thing, MergeRequest):
            told, run = telling.merge_request(thing), self._world.head_pipeline(thing)
            own = {
                "last_commit": self._commit(thing.source, thing.sha),
                "head_pipeline_id": run.id if run else None,
                "reviewer_ids": [one.id for one in thing.reviewers],
                "source": self._project(thing.source), "target": self._project(thing.project),
            }  # fmt: skip
        ids = [one.id for one in thing.assignees]
        return {
            **told, **own, "author_id": thing.author.id, "url": told["web_url"],
            "assignee_ids": ids, "assignee_id": ids[0] if ids else None,
            "labels": [_label(one) for one in thing.labels],
            "created_at": _utc(thing.created_at), "updated_at": _utc(thing.updated_at),
        }  # fmt: skip

    def _note(self, note: Note) -> Facts:
        at = note.about
        kind = "merge_request" if isinstance(at, MergeRequest) else "issue"
        found = next(one.id for one in at.discussions if note in one.notes)
        page = self._attributes(at)["url"]
        own = {
            **self._telling.note(note), "note": note.body, "author_id": note.author.id,
            "created_at": _utc(note.created_at), "updated_at": _utc(note.updated_at),
            "action": "create", "discussion_id": found, "url": f"{page}#note_{note.id}",
        }  # fmt: skip
        return {"event_type": "note", "object_attributes": own, kind: self._attributes(at)}

    def _pipeline(self, pipeline: Pipeline) -> Facts:
        told, about = self._telling.pipeline(pipeline) or {}, pipeline.merge_request
        own = {
            **told, "detailed_status": told["detailed_status"]["text"], "url": told["web_url"],
            "created_at": _utc(pipeline.created_at),
            "stages": [*dict.fromkeys(job.stage for job in pipeline.jobs)],
        }  # fmt: skip
        return {
            "object_attributes": own, "merge_request": about and self._attributes(about),
            "commit": self._commit(pipeline.project, pipeline.sha),
            "builds": [self._telling.job(job) for job in pipeline.jobs],
        }  # fmt: skip

    def _job(self, job: Job) -> Facts:
        run = job.pipeline
        return {
            "ref": run.ref, "sha": run.sha, "before_sha": "0" * 40, "build_id": job.id,
            "build_name": job.name, "build_stage": job.stage, "build_status": job.status,
            "build_allow_failure": job.allow_failure, "pipeline_id": run.id,
            "build_failure_reason": job.failure_reason or "unknown_failure",
            "project_name": run.project.path.replace("/", " / "),
        }  # fmt: skip

    def _push(self, push: Mapping[str, str]) -> Facts:
        after = push["after"] if push["after"].strip("0") else None
        return {**push, "event_name": "push", "checkout_sha": after, "commits": []}

    def _commit(self, at: Project, sha: str) -> Facts:
        told = self._telling.commit(at.bare.commit(sha), at)
        return {**told, "timestamp": told["created_at"], "url": told["web_url"]}

    def _project(self, at: Project) -> Facts:
        told = self._telling.project(at, self._world.person)
        git = {"git_http_url": told["http_url_to_repo"], "git_ssh_url": told["ssh_url_to_repo"]}
        return {**told, **git, "namespace": at.group, "homepage": told["web_url"]}

    def _plain(self, value: Any) -> Any:
        """What is told of a field that has changed."""
        if not isinstance(value, list):
            return value
        some = cast(list[User | Label], value)
        return [self._telling.user(x) if isinstance(x, User) else _label(x) for x in some]


def _label(one: Label) -> Facts:
    told = {"id": one.id, "title": one.name, "color": one.color, "project_id": None}
    return {**told, "description": one.description, "type": "ProjectLabel"}


def _utc(moment: str) -> str:
    """Webhooks write moments in a way of their own."""
    return f"{moment_of(moment):%Y-%m-%d %H:%M:%S} UTC"
