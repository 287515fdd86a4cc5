"""`make agents`: real agents play their story, with a scripted model behind them. See `--help`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where `agents` and `team` are
    from agents.playing import main

    sys.exit(main(sys.argv[1:]))
