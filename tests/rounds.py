"""How much is tried of what is tried over and over: some with each change, all with EVERY_KIND set.

What differs only in its kind of team runs for two kinds, and the kinds take turns; what is repeated
at random has fewer rounds. `make every-kind` runs the whole suite for all kinds, with all rounds.
"""

import os

EVERY_KIND = bool(os.environ.get("EVERY_KIND"))


def rounds(all: int, some: int) -> int:
    """How many."""
    return all if EVERY_KIND else some
