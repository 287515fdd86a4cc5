"""What was recorded of real agents; `samples/README.md` says when and of which version."""

from pathlib import Path

SAMPLES = Path(__file__).parent / "samples"


def screen(agent: str, name: str) -> str:
    """A recorded screen."""
    return (SAMPLES / agent / f"{name}.txt").read_text()


def quoted(text: str, under: str) -> str:
    """A screen on which the agent says, line by line, what another screen shows."""
    head, *rest = under.splitlines()
    return "\n".join(
        [head, "● It looked like this:", *(f"  {one}" for one in text.splitlines()), *rest]
    )
