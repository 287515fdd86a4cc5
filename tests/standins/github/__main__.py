"""A stand-in by hand, for whoever wants to see the product at work: python -m standins.github"""

import argparse
import signal
import tempfile
from pathlib import Path

from standins import specs
from standins.github import NEEDED, GitHub


def main() -> None:
    """Serve until interrupted."""
    options = argparse.ArgumentParser(prog="standins.github", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="any free one, if none is named")
    port = options.parse_args().port
    if not all(map(specs.find, NEEDED)):
        options.error("GitHub's descriptions are not here: `make specs` fetches them")
    with tempfile.TemporaryDirectory() as folder, GitHub(Path(folder), port) as github:
        github.world.issue("acme/app", "The first thing to do", "It is not done yet.")
        told = f"address  {github.url}\ntoken    {github.token}\ngit      {github.remote()}"
        print(told, flush=True)  # noqa: T201
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
