"""The `ao` command. Imports no more than the command at hand needs."""

import gc
import sys

from ao_mcp import __version__

_LOADED = 100_000  # objects that a command loads: none of them is garbage


def main() -> int:
    """Run one command; the status to end with."""
    if sys.argv[1:] == ["--version"]:
        sys.stdout.write(f"ao {__version__}\n")
        return 0
    gc.set_threshold(_LOADED)
    from ao_mcp.cli.run import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
