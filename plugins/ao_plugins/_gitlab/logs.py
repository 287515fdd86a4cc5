"""Why a job failed: the end of its trace, without what the runner does once it has failed.

https://docs.gitlab.com/api/jobs/ and https://docs.gitlab.com/ci/jobs/job_logs/
"""

import re
from collections.abc import Iterator

from ao_core.errors import NotFound, PluginError
from ao_core.redact import visible
from ao_plugins._gitlab.host import GitLab
from ao_plugins._log_tail import fitting

_READ = 256 * 1024
_WIDEST = 2_000
_STAMP = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z [0-9a-f]{2}[OE][ +]?")
_MARK = re.compile(r"section_(start|end):\d+:([\w.-]+)(?:\[[^\]]*\])?\r?(?:\x1b\[0K)?")
_AFTERWARDS = frozenset({
    "after_script", "archive_cache_on_failure", "cleanup_file_variables",
    "upload_artifacts_on_failure",
})  # fmt: skip
_ERROR = "ERROR: "


async def ending(gitlab: GitLab, job: str) -> str | None:
    """The end of the trace of the job at this path; it may be erased. None: it is not to be had."""
    try:
        trace = await gitlab.rest.last(f"{job}/trace", _READ)
    except NotFound:
        return ""
    except PluginError:
        return None  # that it failed is told all the same
    return "\n".join(tail(trace))


def tail(trace: str) -> list[str]:
    """The lines that lead to the last error; without one, the last lines."""
    lines = [line for line in _told(trace) if line.strip()]
    errors = [at for at, line in enumerate(lines) if line.startswith(_ERROR)]
    return fitting(lines[: errors[-1] + 1] if errors else lines)


def _told(trace: str) -> Iterator[str]:
    """Line by line as a person would see it, but for what came afterwards."""
    hidden: str | None = None
    for raw in trace.split("\n"):
        line = _STAMP.sub("", raw.rstrip("\r"))
        for kind, name in _MARK.findall(line):
            if kind == "start" and name in _AFTERWARDS:
                hidden = name
            elif name == hidden:
                hidden = None
        if hidden is None:
            last = _MARK.sub("", line).rpartition("\r")[2]  # what it was overwritten with
            yield visible(last, _WIDEST)
