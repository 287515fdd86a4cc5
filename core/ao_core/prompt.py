"""What agents are told: standing instructions in three layers, the task, and the lead's own prompt.

The layers are the base, the rules of the project's configuration, and the `.agent-rules.md` of the
main checkout. Text by others is put between fences whose name nobody could know beforehand.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template

from ao_core.errors import BadRequest, ConfigError
from ao_core.ids import new_token
from ao_core.redact import visible
from ao_core.wording import spoken

RULES_FILE = ".agent-rules.md"
RULES_LIMIT = 32_000
DATA_LIMIT = 100_000
_MENDED = frozenset({"ci-failed", "merge-conflicts", "merge-failed"})


@dataclass(frozen=True, slots=True)
class Worker:
    """What the standing instructions speak of."""

    session: str
    project: str
    branch: str
    base: str
    rules: str | None = None
    repository_rules: str | None = None
    remote: str | None = None  # where its work has to be pushed


def system_prompt(worker: Worker) -> str:
    """A worker's standing instructions; a layer that is missing leaves no trace."""
    values = {
        "session": worker.session,
        "project": worker.project,
        "branch": worker.branch,
        "base": worker.base,
        "remote": worker.remote or "",
    }
    values["target"] = worker.base.removeprefix(f"{worker.remote}/")
    landing = _filled(f"landing-{'forge' if worker.remote else 'here'}", values)
    values["landing"] = landing.strip("\n")
    layers = [
        _filled("worker", values),
        _titled("Rules of this project", worker.rules),
        _titled("Rules of this repository", worker.repository_rules),
    ]
    return _joined(layers)


def task_prompt(wish: str | None, described: str | None = None) -> str:
    """The first task: what the lead wishes, and the issue as its tracker describes it."""
    work = "Do the work that this issue describes." if described else None
    parts = [(wish or "").strip() or work, fenced(described) if described else None]
    if not any(parts):
        raise BadRequest("There is nothing to do.", hint="Give an issue, a prompt, or both.")
    return _joined(parts)


def lead_instructions() -> str:
    """How to lead a team, in few words: what a client tells its model of the tools."""
    return _template("instructions").substitute()


def lead_prompt(absent: Collection[str] = ()) -> str:
    """How to lead a team, without the tools that are not there."""
    return spoken(_template("orchestrate").template, absent)


def lead_request(name: str, values: Mapping[str, str], absent: Collection[str] = ()) -> str:
    """What a person asks of a lead by a prompt of ours, without the tools that are not there."""
    text = spoken(_template(f"lead-{name}").template, absent)
    return Template(text).substitute(values)


def face_prompt() -> str:
    """What a worker is told of the tools it has beside its own."""
    return _template("face").substitute()


def reaction(key: str, base: str, evidence: str | None, remote: str | None = None) -> str:
    """What a worker is told when something happened to its work, and what others say of it."""
    told = _filled(f"reaction-{key}", {"base": base})
    push = _pushing(key, remote) if remote else None
    return _joined([told, push, fenced(evidence) if evidence else None]).strip()


def review_prompt(commit: str, remarks: str) -> str:
    """What a worker is told whose work was reviewed."""
    return _filled("review", {"commit": commit, "remarks": fenced(remarks)})


def gates_prompt(commit: str, found: Sequence[str]) -> str:
    """What a worker is told whose work does not pass; what was printed has to be fenced."""
    return _filled("gates", {"commit": commit, "found": "\n\n".join(found)})


def fenced(text: str, fence: str | None = None) -> str:
    """Text by others, marked as data, with nothing in it that could end the mark."""
    fence = fence or new_token(8)
    # a name drawn just now is not in the text; one that was handed in may be
    harmless = visible(text, DATA_LIMIT).replace(fence, "[…]")
    return _filled("data", {"fence": fence, "text": harmless.strip("\n")})


def repository_rules(repository: Path) -> str | None:
    """The rules in the main checkout, if there are any."""
    path = repository / RULES_FILE
    try:
        with open(path, encoding="utf-8", errors="replace", opener=_patient) as file:
            return file.read(RULES_LIMIT).strip() or None
    except FileNotFoundError:
        return None
    except OSError as exc:
        hint = "Make it a readable text file, or remove it."
        raise ConfigError(f"{path} cannot be read: {exc.strerror}", hint=hint) from exc


def _pushing(key: str, remote: str) -> str | None:
    """What has to be done besides where others look at what was pushed."""
    known = {"changes-requested": "remarks", "bugbot-comments": "remarks"}
    name = known.get(key, "push" if key in _MENDED else None)
    return _filled(f"reaction-{name}-forge", {"remote": remote}) if name else None


def _patient(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # not held up by a pipe


def _titled(title: str, text: str | None) -> str | None:
    return f"## {title}\n\n{text.strip()}" if text and text.strip() else None


def _joined(parts: list[str | None]) -> str:
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _filled(name: str, values: Mapping[str, str]) -> str:
    # one pass: what is put in is never looked at for names again
    return _template(name).substitute(values)


@cache
def _template(name: str) -> Template:
    return Template((files("ao_prompts") / f"{name}.md").read_text(encoding="utf-8"))
