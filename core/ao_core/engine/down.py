"""Who went down with what it ran in, and is to go on: pure, from its record alone."""

import signal

from ao_core.model.session import PrState, RuntimeReason, Session, SessionReason, is_terminal

_DOWN = frozenset({SessionReason.RUNTIME_LOST, SessionReason.ENGINE_STOPPED})
_SHUTDOWN = frozenset({signal.SIGHUP, signal.SIGTERM})  # what a machine says that goes down


def is_down(session: Session) -> bool:
    """Whether it did not end by itself, was not killed, and has work left to do."""
    killed = session.workspace_gone or session.run.reason is RuntimeReason.KILL_REQUESTED
    if killed or not is_terminal(session) or is_all_merged(session):
        return False
    reason = session.facts.reason
    if reason is SessionReason.AGENT_PROCESS_EXITED:
        return session.run.exit_signal in _SHUTDOWN
    failed = reason is SessionReason.ERROR_IN_PROCESS and session.generation > 1
    return failed or reason in _DOWN  # one that could not be brought back is still wanted


def is_all_merged(session: Session) -> bool:
    """Whether everything it committed is merged."""
    last = session.commits[-1] if session.commits else session.pr.head
    return session.pr.state is PrState.MERGED and last == session.pr.head
