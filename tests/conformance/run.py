"""`make conformance`: the MCP Inspector and the official suite judge us. See `--help`."""

import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where `conformance` and `team` are
    from conformance.judged import main

    sys.exit(main(sys.argv[1:]))
