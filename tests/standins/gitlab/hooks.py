"""Webhooks: https://docs.gitlab.com/user/project/integrations/webhook_events/"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import uuid4

from standins.gitlab.facts import Facts, Telling
from standins.gitlab.records import (
    Hook,
    Issue,
    Job,
    Label,
    MergeRequest,
    Note,
    Pipeline,
    Project,
    User,
)
from standins.gitlab.state import Event
from standins.gitlab.world import World
from standins.postman import Postman

_NAMES = {
    "push": "Push Hook", "issue": "Issue Hook", "merge_request": "Merge Request Hook",
    "note": "Note Hook", "pipeline": "Pipeline Hook", "build": "Job Hook",
}  # fmt: skip
_SETTINGS = {
    "push": "push_events", "issue": "issues_events", "merge_request": "merge_requests_events",
    "note": "note_events", "pipeline": "pipeline_events", "build": "job_events",
}  # fmt: skip


@dataclass
class Delivery:
    """One event on its way to one hook; `status` is what was answered, if anything was."""

    hook: Hook
    kind: str
    event: str  # the same for all hooks that are told of it
    instance: str
    body: bytes
    status: int | None = None
    key: str = field(default_factory=lambda: str(uuid4()))  # the same when it is told again
    id: str = field(default_factory=lambda: str(uuid4()))

    @property
    def url(self) -> str:
        return self.hook.url

    @property
    def headers(self) -> Mapping[str, str]:
        token = {"X-Gitlab-Token": self.hook.token} if self.hook.token else {}
        return {
            "Content-Type": "application/json", "User-Agent": "GitLab/18.0.0",
            "Idempotency-Key": self.key, "X-Gitlab-Event": _NAMES[self.kind],
            "X-Gitlab-Webhook-UUID": self.id, "X-Gitlab-Instance": self.instance,
            "X-Gitlab-Event-UUID": self.event, **token,
        }  # fmt: skip


class Messenger(Postman[Delivery]):
    """Enter it to deliver. What happens in the world is told to the hooks that want it."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world, self._telling = world, Telling(world)
        world.listeners.append(self._heard)

    def again(self, delivery: Delivery) -> None:
        """The same once more, as the host does when it was not heard."""
        told = (delivery.hook, delivery.kind, delivery.event, delivery.instance, delivery.body)
        self.post(Delivery(*told, key=delivery.key, id=delivery.id))

    def _heard(self, event: Event) -> None:
        hooks = [one for one in event.project.hooks if _SETTINGS[event.kind] in one.wants]
        if hooks:
            body, number = json.dumps(self._body(event)).encode(), str(uuid4())
            for hook in hooks:
                self.post(Delivery(hook, event.kind, number, self._world.url, body))

    def _body(self, event: Event) -> Facts:
        facts = _PAYLOADS[event.kind](self, **event.about)
        user = self._telling.user(event.user) or {}
        shown = ("id", "name", "username", "avatar_url", "email")
        return {
            "object_kind": event.kind, "user": {name: user[name] for name in shown},
            "project": self._project(event.project), **facts,
        }  # fmt: skip

    def _project(self, at: Project) -> Facts:
        told = self._telling.project(at, self._world.person)
        kept = ("id", "name", "description", "web_url", "path_with_namespace", "default_branch")
        git = {"git_http_url": told["http_url_to_repo"], "git_ssh_url": told["ssh_url_to_repo"]}
        return {**{name: told[name] for name in kept}, **git, "visibility_level": 0}

    def _thing(self, thing: Issue, action: str, changed: Mapping[str, Any]) -> Facts:
        kind = "merge_request" if isinstance(thing, MergeRequest) else "issue"
        before = changed.get("oldrev", (None,))[0]
        own = {"action": action, **({"oldrev": before} if before else {})}
        return {
            "event_type": kind, "object_attributes": {**self._attributes(thing), **own},
            "labels": [self._label(one) for one in thing.labels],
            "assignees": self._telling.users(thing.assignees),
            "changes": {
                name: {"previous": self._plain(was), "current": self._plain(now)}
                for name, (was, now) in changed.items()
                if name != "oldrev"
            },
        }  # fmt: skip

    def _attributes(self, thing: Issue) -> Facts:
        if not isinstance(thing, MergeRequest):
            told = self._telling.issue(thing)
        else:
            told = self._telling.merge_request(thing)
            told["last_commit"] = {"id": thing.sha}
            run = self._world.head_pipeline(thing)
            told["head_pipeline_id"] = run.id if run else None
        dropped = {"author", "assignee", "closed_by", "merged_by", "merge_user", "web_url"}
        kept = {name: value for name, value in told.items() if name not in dropped}
        labels = [self._label(one) for one in thing.labels]
        return {**kept, "labels": labels, "author_id": thing.author.id, "url": told["web_url"]}

    def _note(self, note: Note) -> Facts:
        at = note.about
        name = "merge_request" if isinstance(at, MergeRequest) else "issue"
        found = [one for one in at.discussions if note in one.notes]
        told = {
            "id": note.id, "note": note.body, "noteable_type": at.kind, "noteable_id": at.id,
            "author_id": note.author.id, "project_id": at.project.id, "system": note.system,
            "created_at": note.created_at, "updated_at": note.updated_at, "action": "create",
            "internal": note.internal, "type": note.type, "position": note.position,
            "discussion_id": found[0].id if found else None,
            "url": f"{self._telling.issue(at)['web_url']}#note_{note.id}",
        }  # fmt: skip
        return {"event_type": "note", "object_attributes": told, name: self._attributes(at)}

    def _pipeline(self, pipeline: Pipeline) -> Facts:
        told = self._telling.pipeline(pipeline) or {}
        about = pipeline.merge_request
        shown = about and {
            "id": about.id, "iid": about.iid, "title": about.title, "state": about.state,
            "source_branch": about.source_branch, "target_branch": about.target_branch,
        }  # fmt: skip
        jobs = [
            {"id": one.id, "stage": one.stage, "name": one.name, "status": one.status,
             "allow_failure": one.allow_failure, "failure_reason": one.failure_reason}
            for one in pipeline.jobs
        ]  # fmt: skip
        status = told["detailed_status"]["text"]
        own = {**told, "detailed_status": status, "url": told["web_url"]}
        return {"object_attributes": own, "merge_request": shown, "builds": jobs}

    def _job(self, job: Job) -> Facts:
        return {
            "ref": job.pipeline.ref, "sha": job.pipeline.sha, "build_id": job.id,
            "build_name": job.name, "build_stage": job.stage, "build_status": job.status,
            "build_allow_failure": job.allow_failure, "pipeline_id": job.pipeline.id,
            "build_failure_reason": job.failure_reason, "project_id": job.pipeline.project.id,
        }  # fmt: skip

    def _push(self, push: Mapping[str, str]) -> Facts:
        after = push["after"] if push["after"].strip("0") else None
        return {**push, "event_name": "push", "checkout_sha": after, "commits": []}

    def _label(self, one: Label) -> Facts:
        return {"id": one.id, "title": one.name, "color": one.color}

    def _plain(self, value: Any) -> Any:
        """What a webhook tells of a field that has changed."""
        if not isinstance(value, list):
            return value
        some = cast(list[User | Label], value)
        return [self._telling.user(x) if isinstance(x, User) else self._label(x) for x in some]


_PAYLOADS: Mapping[str, Callable[..., Facts]] = {
    "issue": Messenger._thing, "merge_request": Messenger._thing, "note": Messenger._note,  # pyright: ignore[reportPrivateUsage]
    "pipeline": Messenger._pipeline, "build": Messenger._job, "push": Messenger._push,  # pyright: ignore[reportPrivateUsage]
}  # fmt: skip
