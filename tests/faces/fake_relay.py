"""The real relay, whose engine is the one of the tests."""

import sys
from pathlib import Path

from ao_mcp import __main__, start

start.ENGINE = (str(Path(__file__).with_name("fake_engine.py")),)

if __name__ == "__main__":
    sys.exit(__main__.main())
