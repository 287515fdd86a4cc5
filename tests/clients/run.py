"""`make clients`: real clients lead a team, with a scripted model behind them. See `--help`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where `clients` and `team` are
    from clients.leads import main

    sys.exit(main(sys.argv[1:]))
