"""A page of the documents as its reader follows it: files, commands, and what is seen."""

import os
import re
from typing import NamedTuple

_BLOCK = re.compile(
    r"^(?:`(?P<file>[\w./-]+)`\n\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.M | re.S
)


class Block(NamedTuple):
    """A fenced block; `file` is the name on the line before it, if there is one."""

    file: str | None
    language: str
    text: str

    def step(self) -> str:
        """What its reader does with it, as a shell's input."""
        if self.file:
            folder = os.path.dirname(self.file) or "."
            return f"mkdir -p {folder}\ncat > {self.file} <<'END'\n{self.text}END\n"
        return self.text if self.language == "sh" else ""


def blocks(text: str) -> list[Block]:
    """Every block of a page, in order."""
    return [Block(**match.groupdict()) for match in _BLOCK.finditer(text)]


def section(text: str, heading: str) -> str:
    """The part of a page below a heading."""
    return text.partition(f"## {heading}\n")[2].partition("\n## ")[0]
