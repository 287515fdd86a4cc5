"""A stand-in by hand, for whoever wants to see the product at work: python -m standins.gitlab"""

import argparse
import signal
import tempfile
from pathlib import Path

from standins.gitlab import GitLab


def main() -> None:
    """Serve until interrupted."""
    options = argparse.ArgumentParser(prog="standins.gitlab", description=__doc__)
    options.add_argument("--port", type=int, default=0, help="any free one, if none is named")
    port = options.parse_args().port
    with tempfile.TemporaryDirectory() as folder, GitLab(Path(folder), port) as gitlab:
        gitlab.world.issue("acme/app", "The first thing to do", "It is not done yet.")
        told = f"address  {gitlab.url}\ntoken    {gitlab.token}\ngit      {gitlab.remote()}"
        print(told, flush=True)  # noqa: T201
        signal.sigwait({signal.SIGINT, signal.SIGTERM})


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main()
