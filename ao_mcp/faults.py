"""What a caller is told of an exception. What nobody outside can act on goes to the log instead."""

import logging
import traceback
from typing import TypeGuard

from ao_core.errors import AoError, Internal, Several, StoreUnavailable
from ao_core.platform import disk_remedy
from ao_core.redact import scrub

_LOG = logging.getLogger("ao_mcp")


def told(error: Exception, doing: str) -> AoError:
    """The error itself, where it is ours; a group of ours as one; else `Internal`, and a log."""
    known = _known(error)
    if len(known) == 1:
        return known[0]
    if known:
        return Several(known)
    if isinstance(error, OSError) and (remedy := disk_remedy(error)):
        return StoreUnavailable(f"{doing} could not write: {error.strerror}", hint=remedy)
    trace = "".join(traceback.format_exception(error))
    _LOG.error("%s failed\n%s", doing, scrub(trace))
    return Internal(f"{doing} failed inside the engine.", hint="See the end of the engine's log.")


def _known(error: BaseException) -> list[AoError]:
    """The errors in a group, unless one among them is not ours."""
    if _is_group(error):
        parts = [_known(part) for part in error.exceptions]
        return [one for part in parts for one in part] if all(parts) else []
    return [error] if isinstance(error, AoError) else []


def _is_group(error: BaseException) -> TypeGuard[BaseExceptionGroup[BaseException]]:
    return isinstance(error, BaseExceptionGroup)
