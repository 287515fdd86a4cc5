"""What the page says of a reaction is what it does."""

import re
from pathlib import Path

from ao_core.config.models import DEFAULT_REACTIONS, Reaction
from ao_core.model.event import Priority

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
ROW = re.compile(r"^\| `([a-z-]+)` \| [^|]+ \| ([a-z-]+) \| ([^|]*)\|$", re.M)


def asked(rule: Reaction) -> str:
    """When a person is asked, as the page says it."""
    if rule.action == "notify":
        return "at once" if rule.priority is Priority.URGENT else ""
    limits = [f"{rule.retries} attempts"] if rule.retries is not None else []
    if not isinstance(rule.escalate_after, int | None):
        limits.append(f"{rule.escalate_after.total_seconds() / 60:g}m")
    return f"after {' or '.join(limits)}"


def test_every_reaction_is_on_the_page_with_what_it_does() -> None:
    said = {key: (does, when.strip()) for key, does, when in ROW.findall(PAGE.read_text())}
    assert said == {
        key: (rule.action if rule.auto else "notify", asked(rule))
        for key, rule in DEFAULT_REACTIONS.items()
    }
