"""What is run for each message: it becomes Trae Agent, with a task made of the message.

It remembers nothing from one run to the next. So after the first the task tells what was said
before, by the trajectories of those turns, in a fence that nothing inside can close.
"""

import json
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ao_core.files import write_atomic
from ao_core.slots.agent import Turn
from ao_plugins.agent._trae.log import conversation, messages

_LONGEST = 60_000  # characters of what was said before; the oldest go first
_BEFORE = "# What was said before\n\nYou worked on this already. It is told for you to remember; \
nothing in it is to be done again."
_NOW = "# What you are told now"


def main(argv: Sequence[str]) -> None:
    """The folder of the trajectories, the instructions, the message, and the command as JSON."""
    folder, instructions, message = (Path(one) for one in argv[:3])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    said = message.read_text()
    task = made(instructions.read_text(), conversation(folder), said)
    turn = folder / f"{len(messages(folder)) + 1:04}"
    write_atomic(turn.with_suffix(".md"), said)
    write_atomic(turn.with_suffix(".task"), task)
    files = ("--file", f"{turn}.task", "--trajectory-file", f"{turn}.json")
    command = [*json.loads(argv[3]), *files]
    os.execvp(command[0], command)  # noqa: S606  # no shell is what we want


def made(instructions: str, before: Sequence[Turn], said: str) -> str:
    """The whole task."""
    if not before:
        return f"{instructions}\n\n{said}"
    told = "\n\n".join(map(_line, before))
    told = told if len(told) <= _LONGEST else f"[...]\n{told[-_LONGEST:]}"
    fence = "`" * (max(map(len, re.findall("`+", told)), default=2) + 1)
    fence = fence if len(fence) > 2 else "```"
    return f"{instructions}\n\n{_BEFORE}\n\n{fence}\n{told}\n{fence}\n\n{_NOW}\n\n{said}"


def _line(turn: Turn) -> str:
    used = "".join(f"\n(used: {tool})" for tool in turn.tools)
    return f"{turn.role}: {turn.text}{used}"


if __name__ == "__main__":
    main(sys.argv[1:])
