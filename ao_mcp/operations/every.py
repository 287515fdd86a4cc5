"""Every operation, in the order the faces show them."""

from ao_mcp.operations import (
    conversing,
    ending,
    issues,
    listing,
    merging,
    people,
    reporting,
    running,
    spawn,
    talking,
    worker,
)
from ao_mcp.operations.contract import AnyOperation

OPERATIONS: tuple[AnyOperation, ...] = (
    spawn.OPERATION,
    listing.LIST,
    listing.SHOW,
    talking.READ,
    talking.SEND,
    talking.WAIT,
    talking.ANSWER,
    merging.MERGE,
    ending.KILL,
    ending.RESTORE,
    people.NOTIFY,
    issues.LIST_ISSUES,
    issues.GET_ISSUE,
    issues.CREATE_ISSUE,
    issues.UPDATE_ISSUE,
    conversing.TRANSCRIPT,
    conversing.INTERRUPT,
    running.STOP,
    running.ABOUT,
    running.EVENTS,
    running.TRUST,
    worker.PERMISSION,
    reporting.REPORT,
    reporting.ASK,
)
