"""`python -I -X utf8 -m ao_plugins._by_turns`: the command line, which an adapter's plan writes."""

import argparse
import os
import resource
import signal
import sys
from collections.abc import Sequence
from functools import partial

from ao_plugins._by_turns.picture import Picture
from ao_plugins._by_turns.plan import read
from ao_plugins._by_turns.turns import Turns
from ao_plugins._by_turns.word import Word
from ao_plugins._console.lines import size_of
from ao_plugins._console.terminal import Terminal


def main(argv: Sequence[str] | None = None) -> int:
    """Stay until a command fails, or somebody ends it; the status, below zero a signal."""
    parser = argparse.ArgumentParser(prog="by_turns", description=__doc__, allow_abbrev=False)
    parser.add_argument("--plan", required=True, help="what is run for a message")
    parser.add_argument("--again", action="store_true", help="it has run before: no task is begun")
    options = parser.parse_args(argv)
    terminal = Terminal(shared=True)
    picture = Picture(terminal.write, partial(size_of, sys.stdout.fileno()))
    turns = Turns(read(options.plan), terminal, picture, Word(os.environ))

    def interrupted(_signal: int, _frame: object) -> None:
        terminal.call(turns.interrupted)

    signal.signal(signal.SIGINT, interrupted)
    return terminal.serve(turns, lambda: turns.start(again=options.again))


def leave(status: int) -> None:
    """End in the same way as the command did."""
    if status >= 0:
        sys.exit(status)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)


if __name__ == "__main__":
    leave(main())
