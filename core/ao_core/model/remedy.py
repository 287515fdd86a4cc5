"""What helps a session that cannot go on by itself. Pure, as the status is."""

import shlex
from collections.abc import Mapping
from typing import TypeAlias

from ao_core.model.session import (
    Session,
    SessionReason,
    SessionState,
    is_terminal,
)
from ao_core.model.standing import Footing
from ao_core.redact import visible

_Case: TypeAlias = tuple[SessionState, SessionReason]
_S, _R = SessionState, SessionReason
_BACK = "`restore` brings it back with its prompts and, where the agent can, its conversation"

_BY_REASON: Mapping[_Case, str] = {
    (_S.TERMINATED, _R.RUNTIME_LOST): f"{_BACK}; `restore` with `all` brings back everybody.",
    (_S.TERMINATED, _R.ENGINE_STOPPED): f"{_BACK}; `restore` with `all` brings back everybody.",
    (_S.TERMINATED, _R.AGENT_PROCESS_EXITED): f"`read` shows its last words; {_BACK}.",
    (_S.TERMINATED, _R.ERROR_IN_PROCESS): "Mend what is named, then `restore` it.",
    (_S.STUCK, _R.PROBE_FAILURE): "Nobody knows whether it lives: `ao doctor` says what is wrong"
    " here; nothing of it was ended.",
    (_S.STUCK, _R.NO_PROGRESS): "`read` its screen, `send` it a word; if it hangs, `kill` it and"
    " `restore` it.",
}
_UNPROVED = (
    "Mend what is named, then `send` it a word: once it reports again that it is done, its gates"
    " are run."
)
_GONE: Mapping[Footing, str] = {
    Footing.REMOVED: "`kill` it, then `restore` it: its work tree is made anew from {branch}. What"
    " was not committed is only where the folder went.",
    Footing.MOVED: "`git worktree move -f -f {where} {path}` brings it back; a folder moved without"
    " git is moved back by `mv`. Nothing in it was touched.",
    Footing.BRANCH_GONE: "`git branch {branch} {commit}` brings it back.",
    Footing.SWITCHED: "Tell it to `git switch {branch}`, and take over by git what it committed on"
    " {where}.",
}


def remedy(session: Session) -> str | None:
    """What to do about it; None where there is nothing to mend."""
    standing = session.standing
    if standing.is_firm or (is_terminal(session) and standing.footing is Footing.REMOVED):
        known = _BY_REASON.get((session.facts.state, session.facts.reason))
        return known or (_UNPROVED if session.unproved else None)
    commit = session.commits[-1] if session.commits else session.base_commit
    return _GONE[standing.footing].format(
        branch=_word(session.branch), where=_word(standing.where), path=_word(session.path),
        commit=commit,
    )  # fmt: skip


def _word(text: str) -> str:
    """One word of a command, whatever a worker has called it: people and leads paste these."""
    return shlex.quote(visible(text, 1_000))
