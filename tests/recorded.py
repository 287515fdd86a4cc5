"""What a real agent's terminal showed, and what it looks like when its agent quotes it."""

from collections.abc import Iterator
from pathlib import Path

SAMPLES = Path(__file__).parent / "plugins" / "agent" / "samples"


def screen(agent: str, name: str) -> str:
    return (SAMPLES / agent / f"{name}.txt").read_text()


def quoting(quoted: str, below: str) -> str:
    """A screen in which its agent has just said what another one shows."""
    said, shown = ([line for line in one.splitlines() if line.strip()] for one in (quoted, below))
    return "\n".join(["● The dialog was:", *said[-16:], "", *shown[-16:]])


def widened(shown: str) -> Iterator[str]:
    """The same in a longer pane, with lines that are long, wide or empty above it."""
    yield "\n" * 60 + shown + "\n" * 20
    yield "x" * 200_000 + "\n" + shown
    yield "你好，世界 🎉\n" * 40 + shown
