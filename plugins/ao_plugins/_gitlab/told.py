"""What GitLab's deliveries name, and whether they are GitLab's.

https://docs.gitlab.com/user/project/integrations/webhooks/
https://docs.gitlab.com/user/project/integrations/webhook_events/

A secret that begins with `whsec_` is a signing token: what is posted is signed with it, together
with its id and time. Any other is a secret token, which is sent along as it is.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping

from ao_core.errors import BadRequest
from ao_core.slots.scm import Notice, Posted
from ao_plugins._delivered import About, Name, Number, Sha, Told, header, present, pushed, read

_SIGNING = "whsec_"
_TIME = re.compile(r"[0-9]{1,12}")
_TOLERANCE = 300.0
_IDS = ("webhook-id", "idempotency-key", "x-gitlab-event-uuid")


class _Project(Told):
    path_with_namespace: Name


class _Commit(Told):
    id: Sha


class _Attributes(Told):
    """Of a merge request, a pipeline or a note."""

    iid: Number | None = None
    source_branch: Name | None = None
    last_commit: _Commit | None = None
    ref: Name | None = None
    sha: Sha | None = None


class _Merge(Told):
    iid: Number
    source_branch: Name


class _Plain(Told):
    project: _Project


class _Full(_Plain):
    object_attributes: _Attributes | None = None
    merge_request: _Merge | None = None
    ref: Name | None = None
    after: Sha | None = None


def _merge(told: _Full) -> About | None:
    one = told.object_attributes
    if one is None or one.iid is None or one.source_branch is None:
        return None
    head = [one.last_commit.id] if one.last_commit else []
    return About(frozenset({one.iid}), frozenset({one.source_branch}), frozenset(head))


def _pipeline(told: _Full) -> About | None:
    one, merge = told.object_attributes, told.merge_request
    if one is None or one.sha is None:
        return None
    branches = present((one.ref, merge.source_branch if merge else None))
    return About(frozenset({merge.iid} if merge else ()), branches, frozenset({one.sha}))


def _note(told: _Full) -> About | None:
    merge = told.merge_request
    return About(frozenset({merge.iid} if merge else ())) if told.object_attributes else None


def _push(told: _Full) -> About | None:
    return pushed(told.ref, told.after) if told.ref and told.after else None


_READ: Mapping[str, Callable[[_Full], About | None]] = {
    "Merge Request Hook": _merge,
    "Note Hook": _note,
    "Pipeline Hook": _pipeline,
    "Push Hook": _push,
}
EVENTS = ("merge_requests_events", "note_events", "pipeline_events", "push_events")


def noticed(posted: Posted) -> Notice:
    """What a delivery is about. An event that is not read is of no interest."""
    event = header(posted.headers, "x-gitlab-event")
    delivery = header(posted.headers, next((n for n in _IDS if posted.headers.get(n)), _IDS[-1]))
    if event not in _READ:
        return About().notice(event, delivery, read(_Plain, posted).project.path_with_namespace)
    told = read(_Full, posted)
    about = _READ[event](told)
    if about is None:
        raise BadRequest("what is told is not what the event is about")
    return about.notice(event, delivery, told.project.path_with_namespace)


def signs(secret: str) -> bool:
    """Whether it is a token to sign with, and not one to be sent along."""
    return secret.startswith(_SIGNING)


def signed(posted: Posted, secret: str) -> bool:
    """Whether who posted it knows the secret."""
    if signs(secret):
        return _is_signed(posted, secret.removeprefix(_SIGNING))
    given = posted.headers.get("x-gitlab-token", "").encode(errors="replace")
    return hmac.compare_digest(secret.encode(), given)


def _is_signed(posted: Posted, token: str) -> bool:
    """As https://www.standardwebhooks.com has it."""
    id, at = posted.headers.get("webhook-id", ""), posted.headers.get("webhook-timestamp", "")
    if not _TIME.fullmatch(at) or abs(posted.at - int(at)) > _TOLERANCE:
        return False
    try:
        key = base64.b64decode(token, validate=True)
    except binascii.Error:
        return False
    whole = f"{id}.{at}.".encode(errors="replace") + posted.body
    expected = base64.b64encode(hmac.new(key, whole, hashlib.sha256).digest())
    given = posted.headers.get("webhook-signature", "").encode(errors="replace").split()
    return any(hmac.compare_digest(b"v1," + expected, one) for one in given[:10])
