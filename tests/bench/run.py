"""`make bench`: measures the figures, each beside its floor. See `--help`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where `bench` and `team` are
    from bench.figures import main

    sys.exit(main(sys.argv[1:]))
