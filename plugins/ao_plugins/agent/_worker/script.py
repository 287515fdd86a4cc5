"""The script in a task: lines that begin with `do:`, or a fenced block that begins with ```do."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

VERBS = frozenset(
    {"write", "append", "commit", "ask", "run", "sleep", "crash", "say", "loop",
     "spend", "quota"}
)  # fmt: skip
COMMAND = "/turns"  # the one it has of its own
_BLOCK = re.compile(r"^```do[ \t]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
_STEP = re.compile(
    r"^[ \t]*do:[ \t]*(?P<verb>[a-z]+)(?P<rest>[^\n]*?<<.*?>>|[^\n]*)", re.MULTILINE | re.DOTALL
)
_TITLE = re.compile(r"^(?:Issue \S+: |# )(.+)$", re.MULTILINE)
_LONGEST_NAME = 40


class ScriptError(Exception):
    """A step cannot be understood or done; says why."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `text` is a file's content."""

    verb: str
    argument: str = ""
    text: str = ""

    def given(self, answer: str) -> "Step":
        """The step with the last answer put in."""
        put = (part.replace("{answer}", answer) for part in (self.argument, self.text))
        return replace(self, **dict(zip(("argument", "text"), put, strict=True)))


def parse(task: str) -> tuple[Step, ...]:
    """The steps found in a task, in order."""
    unfolded = _BLOCK.sub(lambda block: _as_lines(block[1]), task)
    return tuple(_steps(unfolded))


def without_script(task: str) -> tuple[Step, ...]:
    """What to do with a task that has none: one file named by its title, and a commit."""
    found = _TITLE.search(task)
    title = found[1] if found else next(iter(task.strip().splitlines()), "")
    title = title.strip() or "work"
    name = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    return Step("write", f"{name or 'work'}.md", f"# {title}\n"), Step("commit", title[:72])


def _steps(task: str) -> Iterator[Step]:
    for found in _STEP.finditer(task):
        verb, rest = found["verb"], found["rest"].strip()
        if verb not in VERBS:
            raise ScriptError(f"nobody taught me to {verb}")
        if verb in ("write", "append"):
            path, _, text = rest.partition(" ")
            yield Step(verb, path, _content(text.strip()))
        else:
            yield Step(verb, rest)


def _content(text: str) -> str:
    inner = text.removeprefix("<<").removesuffix(">>") if text.startswith("<<") else text
    inner = inner.removeprefix("\n")
    return inner if inner.endswith("\n") else f"{inner}\n"


def _as_lines(block: str) -> str:
    """A block's lines, but not what stands between its brackets, begin with `do:`."""
    lines: list[str] = []
    inside = False
    for line in block.splitlines():
        lines.append(line if inside or not line.strip() else f"do: {line.strip()}")
        inside = ">>" not in line and (inside or "<<" in line)
    return "\n".join(lines)
