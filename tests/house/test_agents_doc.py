"""What docs/agents.md tells of each agent is what its adapter does; and the adapter that
docs/plugins.md shows works.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any, cast

import pytest

from ao_core.model.session import Drive, PermissionMode
from ao_core.plugin import Scope
from ao_core.slots.agent import Agent, Conversable, Resumable
from ao_core.store.records import Delivery
from ao_core.testing.agent import AgentContract
from ao_plugins import INDEX
from page import blocks, section

DOCS = Path(__file__).resolve().parents[2] / "docs"
TEXT = (DOCS / "agents.md").read_text(encoding="utf-8")
AGENTS = tuple(name for name in INDEX["agent"] if name != "command")
PARTS = ("Known from", "Set up", "Permissions", "Messages", "State and use", "Not offered")
OWN = {"binary", "args"}


def table(heading: str) -> dict[str, Sequence[str]]:
    """The last table of a section, by the agent that stands first in its rows."""
    lines = section(TEXT, heading).rstrip().splitlines()
    last = takewhile(lambda line: line.startswith("|") or not line, reversed(_to_table(lines)))
    rows = [line.strip("|").split("|") for line in last if line.startswith("| `")]
    return {row[0].split("`")[1]: [cell.strip() for cell in row[1:]] for row in rows}


def _to_table(lines: Sequence[str]) -> Sequence[str]:
    ends = [place for place, line in enumerate(lines) if line.startswith("|")]
    return lines[: ends[-1] + 1]


def kind_of(name: str) -> type[Agent[Any]]:
    module, _, kind = INDEX["agent"][name].target.partition(":")
    return getattr(import_module(module), kind)


@pytest.fixture
def scope(tmp_path: Path) -> Scope:
    return Scope(state=tmp_path, project="app")


def made(name: str, scope: Scope) -> Agent[Any]:
    kind = kind_of(name)
    return kind(kind.config_type(), scope)


def test_every_agent_has_a_section_and_all_are_in_order() -> None:
    found = re.findall(r"^## (.+) \(`(.+)`\)$", TEXT, re.M)
    assert [name for _, name in found] == sorted(AGENTS)
    assert [title for title, _ in found] == sorted((title for title, _ in found), key=str.casefold)


@pytest.mark.parametrize("name", AGENTS)
def test_every_section_has_the_same_parts(name: str) -> None:
    (title,) = re.findall(rf"^## (.+ \(`{name}`\))$", TEXT, re.M)
    told = section(TEXT, title)
    assert tuple(re.findall(r"^- \*\*(.+)\*\*: ", told, re.M)) == PARTS


@pytest.mark.parametrize("heading", ["Permissions", "All agents", "Evidence"])
def test_every_table_has_every_agent(heading: str) -> None:
    assert sorted(table(heading)) == sorted(AGENTS)


@pytest.mark.parametrize("name", AGENTS)
def test_how_it_is_driven_and_brought_back(name: str, scope: Scope) -> None:
    usual, other, resumed, _, _, least = table("All agents")[name]
    agent = made(name, scope)
    speaks = isinstance(agent, Conversable)
    drive = cast("Conversable", agent).preferred if speaks else Drive.TERMINAL
    assert usual == drive
    assert (other != "-") is speaks
    assert resumed.startswith("not") is not isinstance(agent, Resumable)
    assert ("`session/load`" in resumed) is speaks
    said = re.search(r'least="([\d.]+)"', source(name))
    assert least == (said[1] if said else "any")


@pytest.mark.parametrize("name", AGENTS)
def test_what_its_modes_are_told_by(name: str) -> None:
    """Each word of a flag or a setting stands in the adapter, or in a file that it shares."""
    known = whole(name)
    words = re.findall(r"`([^`]+)`", " ".join(table("Permissions")[name]))
    plain = [word for text in words for word in re.split(r"[\s=:]", text) if "<" not in word]
    known += " ".join(PermissionMode) + "…"
    assert [word for word in plain if word not in known] == []


def _overrides(kind: type, method: str) -> bool:
    """Whether it, or what it shares with others, has a method of its own."""
    return any(method in vars(one) for one in kind.mro()[: kind.mro().index(Agent)])


@pytest.mark.parametrize("name", AGENTS)
def test_what_its_receipts_are_proven_by(name: str, scope: Scope) -> None:
    typed, submitted, accepted, highest, _, _ = table("Evidence")[name]
    agent = made(name, scope)
    composer, by_log = agent.composer(), _overrides(type(agent), "taken")
    best = Delivery.ACCEPTED if by_log else composer.best
    assert highest == f"`{best}`"
    assert (" log" in f" {accepted}") is by_log
    assert accepted.startswith("hook") is (composer.best is Delivery.ACCEPTED)
    assert (", once" in submitted) is (composer.best is Delivery.SUBMITTED)
    assert re.findall(r"`([^`]+)`", typed) == list(composer.folded)
    for hook in re.findall(r"`([^`]+)`", accepted):
        assert hook in whole(name)


@pytest.mark.parametrize("name", AGENTS)
def test_who_is_asked_for_its_permissions(name: str, scope: Scope) -> None:
    asking, who = table("Evidence")[name][-2:]
    agent, known = made(name, scope), whole(name)
    by_hook = re.search(r'asks\("\w+"\)|_permit import ask', known) is not None
    by_look = "asks" in vars(type(agent))
    assert who.startswith("the policy") is by_hook
    assert who.startswith("you") is (by_look or "HookKind.PERMISSION_ASKED" in known)
    assert asking.startswith("hook") is (by_hook or "HookKind.PERMISSION_ASKED" in known)
    for hook in re.findall(r"`([^`]+)`", asking):
        assert hook in known


@pytest.mark.parametrize("name", AGENTS)
def test_the_settings_of_its_own_are_told(name: str) -> None:
    every = set(kind_of(name).config_type.model_fields)
    told = section(TEXT, "Choose one").partition("| setting |")[2].partition("\n\n")[0]
    assert every >= OWN
    assert (f"`{name}`" in told) is bool(every - OWN)
    assert [one for one in every - OWN if f"`{one}`" not in told] == []


@cache
def source(name: str) -> str:
    file = import_module(INDEX["agent"][name].target.partition(":")[0]).__file__
    assert file is not None
    return Path(file).read_text(encoding="utf-8")


@cache
def whole(name: str) -> str:
    """The adapter, and the files of ours that it imports, or that are its alone."""
    room = Path(cast("str", import_module("ao_plugins").__file__)).parent
    named = re.findall(r"from ao_plugins\.(_\w+)|from ao_plugins import (_\w+)", source(name))
    own = sorted(set(re.findall(r"from ao_plugins\.agent\.(_\w+)", source(name))))
    shared = [room / (one or other) for one, other in sorted(set(named))]
    files = [file for one in shared for file in (*one.glob("*.py"), one.with_suffix(".py"))]
    files += [file for one in own for file in sorted((room / "agent" / one).glob("*.[jp][sy]*"))]
    return source(name) + "".join(file.read_text("utf-8") for file in files if file.exists())


# -- docs/plugins.md -------------------------------------------------------------------------------

ADAPTER, TESTS = (
    block.text
    for block in blocks(section((DOCS / "plugins.md").read_text(), "Write an agent"))
    if block.language == "python"
)
_BESIDE = """
from dataclasses import replace
from pathlib import Path
from typing import Any
from ao_core.plugin import Scope
from ao_core.testing.agent import AgentContract
"""
_names: dict[str, Any] = {"__name__": __name__}
exec(ADAPTER + _BESIDE + TESTS, _names)  # noqa: S102 - it is what the page shows
TestScribe: type[AgentContract] = _names["TestScribe"]


def test_the_shown_adapter_says_its_mode_each_time(scope: Scope) -> None:
    agent = _names["Scribe"](_names["ScribeConfig"](), scope)
    modes = [agent.mode(one) for one in PermissionMode]
    assert None not in modes
    assert modes.count("free") == 1
