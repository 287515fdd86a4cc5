"""Every failure a caller can act on. Standard library only: the relay imports it.

AoError
├── ConfigError            the user's file or environment is wrong
│   └── NotTrusted         a key that bears code has not been trusted by a person
├── BadRequest             the arguments were refused before anything happened
│   ├── BadId              a name that may not reach a path, a ref or a terminal
│   └── Unknown            no such session, project, issue or request
├── WrongState             not possible for this session as it stands
├── Refused                policy or a person said no
├── CredentialsNeeded      the environment of the first start is gone
├── Several                more than one problem, all of them listed
├── CommandFailed          a child process ended badly
│   └── TimedOut           it did not end in time
├── StoreError             the record could not be read or written
│   ├── Conflict           somebody changed the record first
│   ├── Corrupt            what is stored cannot be understood
│   ├── Pruned             the journal's lines asked for are no longer kept
│   └── StoreUnavailable   disk full, read-only or gone
├── EngineError            the engine cannot be reached or used
│   ├── EngineRunning      another engine holds this home
│   ├── EngineUnreachable  it did not start or does not answer
│   ├── EngineRestarted    it went away while the call was under way
│   └── VersionMismatch    client and engine are of different versions
├── Internal               a fault of ours; the engine's log has it
└── PluginError            a plugin could not do its job
    ├── NotInstalled       its tool or extra is missing
    ├── BrokenPlugin       its code cannot be loaded or breaks its contract
    ├── Unauthorized       its credentials were refused
    ├── NotFound           the thing named does not exist
    ├── Rejected           the request was understood and refused
    ├── RateLimited        asked too often; see retry_after
    └── Unavailable        the other side is down; try again
"""

from collections.abc import Sequence
from typing import ClassVar


class AoError(Exception):
    """Root of the tree. `hint` tells the reader what to do next; `code` is for programs."""

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    @property
    def message(self) -> str:
        """What went wrong, in one sentence."""
        return str(self.args[0]) if self.args else self.code

    def wire(self) -> dict[str, object]:
        """The shape every face shows."""
        shown: dict[str, object] = {
            "code": self.code,
            "message": self.message,
            "retryable": self.retryable,
        }
        return shown | ({"hint": self.hint} if self.hint else {})


class ConfigError(AoError):
    """The user's file or environment is wrong."""

    code = "config_invalid"


class NotTrusted(ConfigError):
    """A key that bears code has not been trusted by a person."""

    code = "not_trusted"


class BadRequest(AoError):
    """The arguments were refused before anything happened."""

    code = "invalid_argument"


class BadId(BadRequest):
    """A name that may not reach a path, a ref or a terminal."""

    code = "invalid_id"


class Unknown(BadRequest):
    """No such session, project, issue or request."""

    code = "not_found"


class WrongState(AoError):
    """Not possible for this session as it stands."""

    code = "wrong_state"


class Refused(AoError):
    """Policy or a person said no."""

    code = "refused"


class CredentialsNeeded(AoError):
    """The environment of the first start is gone."""

    code = "credentials_needed"


class Several(AoError):
    """More than one problem, all of them listed."""

    code = "several_problems"

    def __init__(self, problems: Sequence[AoError]) -> None:
        lines = [f"{problem.code}: {problem.message}" for problem in problems]
        hints = [problem.hint for problem in problems if problem.hint]
        super().__init__("; ".join(lines), hint=" ".join(hints) or None)
        self.problems = tuple(problems)

    def wire(self) -> dict[str, object]:
        """Add the problems, one by one."""
        return super().wire() | {"problems": [problem.wire() for problem in self.problems]}


def raise_all(problems: Sequence[AoError]) -> None:
    """Raise what was found: nothing, the one, or `Several`."""
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise Several(problems)


class CommandFailed(AoError):
    """A child process ended badly. Only its name and the end of its complaint are quoted."""

    code = "command_failed"

    def __init__(self, message: str, *, status: int | None = None, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class TimedOut(CommandFailed):
    """It did not end in time. `said` is what it had printed by then: untrusted, as it came."""

    code = "timed_out"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        hint: str | None = None,
        said: tuple[bytes, bytes] = (b"", b""),
    ) -> None:
        super().__init__(message, status=status, hint=hint)
        self.said = said


class StoreError(AoError):
    """The record could not be read or written."""

    code = "store_error"


class Conflict(StoreError):
    """Somebody changed the record first."""

    code = "conflict"
    retryable = True


class Corrupt(StoreError):
    """What is stored cannot be understood."""

    code = "store_corrupt"


class Pruned(StoreError):
    """The journal's lines asked for are no longer kept."""

    code = "journal_pruned"


class StoreUnavailable(StoreError):
    """Disk full, read-only or gone."""

    code = "store_unavailable"
    retryable = True


class EngineError(AoError):
    """The engine cannot be reached or used."""

    code = "engine_error"


class EngineRunning(EngineError):
    """Another engine holds this home."""

    code = "engine_running"


class EngineUnreachable(EngineError):
    """It did not start or does not answer."""

    code = "engine_unreachable"
    retryable = True


class EngineRestarted(EngineError):
    """It went away while the call was under way."""

    code = "engine_restarted"
    retryable = True


class VersionMismatch(EngineError):
    """Client and engine are of different versions."""

    code = "version_mismatch"


class Internal(AoError):
    """A fault of ours. Says nothing of it: the engine's log does."""

    code = "internal"


class PluginError(AoError):
    """A plugin could not do its job.

    `status` is how a server answered. `said` are its own words, short and without what a terminal
    would obey: untrusted, so no message and no `wire` has them.
    """

    code = "plugin_error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        said: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status, self.said = status, said


class NotInstalled(PluginError):
    """Its tool or extra is missing."""

    code = "not_installed"


class BrokenPlugin(PluginError):
    """Its code cannot be loaded or breaks its contract."""

    code = "broken_plugin"


class Unauthorized(PluginError):
    """Its credentials were refused."""

    code = "unauthorized"


class NotFound(PluginError):
    """The thing named does not exist."""

    code = "not_found"


class Rejected(PluginError):
    """The request was understood and refused."""

    code = "rejected"


class RateLimited(PluginError):
    """Asked too often."""

    code = "rate_limited"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        status: int | None = None,
        said: str | None = None,
    ) -> None:
        super().__init__(message, status=status, said=said)
        self.retry_after = retry_after


class Unavailable(PluginError):
    """The other side is down."""

    code = "unavailable"
    retryable = True
