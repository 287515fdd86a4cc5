"""`python -I -m ao_plugins.agent._worker`: the command line."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ao_plugins._console.lines import size_of
from ao_plugins._console.terminal import Terminal
from ao_plugins.agent._worker.acp import Wire
from ao_plugins.agent._worker.deeds import Hands
from ao_plugins.agent._worker.hooks import Hooks
from ao_plugins.agent._worker.journal import Journal
from ao_plugins.agent._worker.permission import Dialog
from ao_plugins.agent._worker.screen import Screen
from ao_plugins.agent._worker.speaker import Speaker
from ao_plugins.agent._worker.turn import Aloud, Doer
from ao_plugins.agent._worker.worker import Quirks, Worker


@dataclass(slots=True)
class Options(argparse.Namespace):
    """What may be said on the command line."""

    session: str = "worker"
    prompt: str = ""
    prompt_file: Path | None = None
    permissions: str = "default"
    resume: bool = False
    no_hooks: bool = False
    fold: bool = False
    deaf_enter: bool = False
    redraw: bool = False
    dialog_mid_send: bool = False
    acp: bool = False
    chatty: bool = False
    split_writes: bool = False

    @property
    def permissionless(self) -> bool:
        """Whether it asks for nothing."""
        return self.permissions == "permissionless"


def main(argv: Sequence[str] | None = None) -> int:
    """Work until told to end."""
    options = _parser().parse_args(argv, Options())
    return _by_protocol(options) if options.acp else _in_terminal(options)


def _by_protocol(options: Options) -> int:
    wire = Wire(sys.stdin.fileno(), sys.stdout.fileno(), split=options.split_writes)
    speaker = Speaker(options.session, wire, options.permissionless, options.chatty)
    try:
        return wire.serve(speaker)
    finally:
        speaker.leave()


def _in_terminal(options: Options) -> int:
    workspace = Path.cwd()
    journal, terminal = Journal(workspace), Terminal()
    hooks = Hooks() if options.no_hooks else Hooks.of(os.environ)
    screen = Screen(terminal.write, partial(size_of, sys.stdout.fileno()))
    doer = Doer(Hands(workspace), journal, Aloud(screen.say))
    dialog = Dialog(terminal, hooks, options.permissionless)
    worker = Worker(options.session, terminal, screen, hooks, doer, dialog, _quirks(options))
    past = journal.past() if options.resume else None
    task = "" if past else _task(options)
    try:
        return terminal.serve(worker, lambda: worker.start(past or journal.begin(), task))
    finally:
        doer.hands.stop()


def _task(options: Options) -> str:
    if options.prompt_file is None:
        return options.prompt
    return options.prompt_file.read_text(encoding="utf-8", errors="replace")


def _quirks(options: Options) -> Quirks:
    return Quirks(
        fold=options.fold,
        deaf_enter=options.deaf_enter,
        redraw=options.redraw,
        dialog_mid_send=options.dialog_mid_send,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="worker", description=__doc__, allow_abbrev=False)
    parser.add_argument("--session", help="the name to go by")
    parser.add_argument("--prompt", help="the first task")
    parser.add_argument("--prompt-file", type=Path, help="a file with the first task")
    parser.add_argument("--permissions", help="`permissionless` asks for nothing")
    for flag, meaning in {
        "resume": "go on where the log in this folder ends",
        "no-hooks": "tell nobody anything",
        "fold": "show long pastes folded",
        "deaf-enter": "ignore the first Enter",
        "redraw": "never stop redrawing",
        "dialog-mid-send": "open a dialog when the first paste arrives",
        "acp": "speak the Agent Client Protocol on stdin and stdout, in place of a terminal",
        "chatty": "say hundreds of small things, by protocol",
        "split-writes": "write every line in many pieces, by protocol",
    }.items():
        parser.add_argument(f"--{flag}", action="store_true", help=meaning)
    return parser


if __name__ == "__main__":
    sys.exit(main())
