"""Which figures there are, and the command line that measures them."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench import hosting, idle, listing, passing, sessions, starting
from bench.size import FULL, QUICK, Size
from bench.table import Figure, save, show

Measure = Callable[[Size], list[Figure]]

MEASURES: Mapping[str, Measure] = {
    "relay": starting.relay,
    "engine": starting.engine,
    "host": hosting.host,
    "spawn": sessions.spawn,
    "warm": sessions.warm,
    "death": sessions.death,
    "send": sessions.send,
    "list": listing.listing,
    "idle": idle.idle,
    "pass": passing.passing,
}


def main(arguments: Sequence[str]) -> int:
    """Measure what is asked for. Missing a goal is no failure: it is in the table."""
    asked = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(1))  # and clean up
    size = QUICK if asked.quick else FULL
    figures: list[Figure] = []
    for name in asked.only or MEASURES:
        began = time.perf_counter()
        figures += MEASURES[name](size)
        sys.stderr.write(f"{name}: {time.perf_counter() - began:.0f} s\n")
    show(figures)
    if asked.json:
        save(figures, asked.json)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Figures beside their floors.")
    only = f"measure this only; may be repeated: {', '.join(MEASURES)}"
    parser.add_argument(
        "--only", action="append", choices=list(MEASURES), metavar="NAME", help=only
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write them there")
    parser.add_argument("--quick", action="store_true", help="small and few: to see that it works")
    return parser
