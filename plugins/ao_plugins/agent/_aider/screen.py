"""What aider's screen says where its log does not: its questions, and its troubles."""

import re
from itertools import takewhile

from ao_core.slots.agent import Asked
from ao_plugins._bottom import bottom

_QUESTION = re.compile(r"(.*?) ?\(Y\)es/\(N\)o.*\[(?:Yes|No)\]:\s*\w{0,5}\Z")
_TROUBLE = re.compile(r"[\s░█]*(litellm\.\w*Error: .*|The API provider .*|.* hit a token limit.*)")
_SAID = re.compile(r"(?:[a-z-]+ ?)?(?:multi)?> \S|Tokens: ")  # what was before its last turn's end
_LONGEST = 1_000


def question(screen: str) -> Asked | None:
    """The question at the end, which a narrow screen breaks, and what stands right above it."""
    lines = [line.rstrip() for line in screen[-20_000:].rstrip().splitlines()]
    for count in (1, 2, 3):
        if found := _QUESTION.match("".join(lines[-count:])[-_LONGEST:]):
            about = list(takewhile(bool, reversed(lines[:-count])))
            return Asked(found[1].strip(), "\n".join(reversed(about)))
    return None


def trouble(screen: str) -> str | None:
    """The error above its prompt."""
    for line in reversed(bottom(screen, 30)):
        if found := _TROUBLE.fullmatch(line):
            return found[1]
        if _SAID.match(line):
            return None
    return None
