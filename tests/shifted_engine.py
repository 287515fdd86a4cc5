"""An engine whose time of day is set by hand: `python -I shifted_engine.py FILE HOME`.

FILE tells by how many seconds it is off. The seconds that pass are those of the machine.
"""

import sys
from datetime import datetime, timedelta
from pathlib import Path

from ao_core.clock import SystemClock
from ao_mcp.engine_process import main


def shifted(file: Path) -> None:
    plain = SystemClock._wall  # pyright: ignore[reportPrivateUsage]

    def wall(self: SystemClock) -> datetime:
        return plain(self) + timedelta(seconds=float(file.read_text()))

    SystemClock._wall = wall  # pyright: ignore[reportPrivateUsage]


if __name__ == "__main__":
    shifted(Path(sys.argv.pop(1)))
    sys.exit(main(sys.argv[1:]))
