"""The sample as data: a small project, its configuration, and the issues its team is given.

Each issue holds the script its worker follows; each says what must be on `main` in the end.
"""

from collections.abc import Mapping
from dataclasses import dataclass

NAME = "larder"

_CONFIG = """\
projects:
  {name}:
    path: .
    drive: {drive}
    agent: command
    agentConfig:
      preset: worker{manners}
    allowCommands:
      - python3 -m unittest
      - git merge main
"""
_AWKWARD = "\n      args: [--fold, --deaf-enter, --redraw, --dialog-mid-send]"


@dataclass(frozen=True, slots=True)
class Cast:
    """How the workers are driven, where the engine keeps its records, and the workers' manners."""

    drive: str = "terminal"
    store: str = "sqlite"
    awkward: bool = False

    @property
    def project(self) -> str:
        """The configuration in the repository."""
        manners = _AWKWARD if self.awkward else ""
        return _CONFIG.format(name=NAME, drive=self.drive, manners=manners)

    @property
    def home(self) -> str:
        """The configuration of the engine's home."""
        return f"store: {self.store}\n"


USUAL = Cast()

_STOCK = '''\
"""What is in the larder."""

from typing import NamedTuple


class Item(NamedTuple):
    """Something to eat, and how much of it there is."""

    name: str
    grams: int


STOCK = (Item("oats", 500), Item("lentils", 750), Item("rice", 1000))
'''
_COMMANDS = '''\
"""The commands, by name."""

from larder.stock import STOCK


def names() -> str:
    return "\\n".join(item.name for item in STOCK)


COMMANDS = {"names": names}
'''
_TEST_STOCK = """\
import unittest

from larder.stock import STOCK


class StockTest(unittest.TestCase):
    def test_nothing_is_there_twice(self) -> None:
        self.assertEqual(len(STOCK), len({item.name for item in STOCK}))
"""

PROJECT: Mapping[str, str] = {
    "README.md": "# larder\n\nWhat is in the larder: `python3 -m larder names`.\n",
    ".gitignore": "__pycache__/\n",
    "larder/__init__.py": '"""What is in the larder, and how much of it."""\n',
    "larder/__main__.py": (
        "import sys\n\nfrom larder.commands import COMMANDS\n\nprint(COMMANDS[sys.argv[1]]())\n"
    ),
    "larder/commands.py": _COMMANDS,
    "larder/stock.py": _STOCK,
    "tests/__init__.py": "",
    "tests/test_stock.py": _TEST_STOCK,
}

_FIND = '''\
"""Finding things."""

from larder.stock import STOCK, Item


def find(text: str) -> list[Item]:
    return [item for item in STOCK if text.lower() in item.name]
'''
_TEST_FIND = """\
import unittest

from larder.find import find


class FindTest(unittest.TestCase):
    def test_letter_case_does_not_matter(self) -> None:
        self.assertEqual([item.name for item in find("RICE")], ["rice"])
"""
_EXPORT = '''\
"""The stock as a table for spreadsheets."""

from larder.stock import STOCK

SEPARATORS = {"comma": ",", "semicolon": ";"}
SEPARATOR = SEPARATORS["{answer}"]


def table() -> str:
    return "\\n".join(SEPARATOR.join((item.name, str(item.grams))) for item in STOCK)
'''
_VERSION = '"""The version."""\n\nVERSION = "1.1"\n'
_TOTAL = '''\
"""How much there is in all."""

from larder.stock import STOCK


def total() -> int:
    return sum(item.grams for item in STOCK)
'''
_TEST_TOTAL = """\
import unittest

from larder.total import total


class TotalTest(unittest.TestCase):
    def test_everything_is_counted(self) -> None:
        self.assertEqual(total(), 2250)
"""
_LOAD = '''\
"""The stock from a file: one item a line, its name, then its grams."""

from larder.stock import Item


def load(text: str) -> tuple[Item, ...]:
    lines = (line.rsplit(maxsplit=1) for line in text.splitlines() if line.strip())
    return tuple(Item(name, int(grams)) for name, grams in lines)
'''
_README = """\
# larder

What is in the larder: `python3 -m larder names`.

The stock may come from a file, one line each, such as `crème fraîche 200`.
"""

_HEAVIEST = """\
def heaviest() -> str:
    return max(STOCK, key=lambda item: item.grams).name
"""
_LIGHTEST = """\
def lightest() -> str:
    return min(STOCK, key=lambda item: item.grams).name
"""


def _commands(functions: Mapping[str, str]) -> str:
    """`commands.py` with more commands in it."""
    head, _, _ = _COMMANDS.partition("COMMANDS = ")
    table = ", ".join(f'"{name}": {name}' for name in ("names", *functions))
    return head + "\n\n".join([*functions.values(), f"COMMANDS = {{{table}}}\n"])


def _write(path: str, text: str) -> str:
    return f"write {path} <<\n{text}>>\n"


def _script(*steps: str) -> str:
    return "\n```do\n" + "\n".join(step.rstrip("\n") for step in steps) + "\n```\n"


@dataclass(frozen=True, slots=True)
class Issue:
    """A piece of work. `files` must be on `main` in the end, byte for byte.

    `answer` goes to its question, `message` to its worker once the first turn has ended; `fix` is
    sent when its work is in conflict. A `doomed` worker is killed while it asks, with all of its
    work uncommitted.
    """

    title: str
    body: str
    files: Mapping[str, str]
    answer: str = ""
    message: str = ""
    fix: str = ""
    doomed: bool = False


_SHARED = "larder/commands.py"
_LOADING = {"larder/load.py": _LOAD, "README.md": _README}

ISSUES: tuple[Issue, ...] = (
    Issue(
        "Find an item by name",
        "A function `find` that does not mind letter case, with a test.\n"
        + _script(
            "sleep 0.8",
            _write("larder/find.py", _FIND),
            _write("tests/test_find.py", _TEST_FIND),
            "run python3 -m unittest --quiet",
            "commit Find an item by name",
        ),
        {"larder/find.py": _FIND, "tests/test_find.py": _TEST_FIND},
    ),
    Issue(
        "Export the stock",
        "One line for each item. Ask which separator is wanted.\n"
        + _script(
            "sleep 0.4",
            "ask Which separator: comma or semicolon?",
            _write("larder/export.py", _EXPORT),
            "commit Export the stock, separated by a {answer}",
        ),
        {"larder/export.py": _EXPORT.replace("{answer}", "semicolon")},
        answer="semicolon",
    ),
    Issue(
        "Release 1.1",
        "Write the version down and tag it.\n"
        + _script(
            _write("larder/version.py", _VERSION),
            "commit Version 1.1",
            "sleep 0.9",
            "run git tag v1.1",
        ),
        {"larder/version.py": _VERSION},
    ),
    Issue(
        "Tell how much there is",
        "A function `total`, in grams.\n"
        + _script(
            "sleep 1.4",
            _write("larder/total.py", _TOTAL),
            "commit Tell how much there is",
        ),
        {"larder/total.py": _TOTAL, "tests/test_total.py": _TEST_TOTAL},
        message="Good, but there is no test of it. Please add one.\n"
        + _script(
            _write("tests/test_total.py", _TEST_TOTAL),
            "run python3 -m unittest --quiet",
            "commit Test the total",
        ),
    ),
    Issue(
        "Name the heaviest item",
        "A command: `python3 -m larder heaviest`\n"
        + _script(
            "sleep 1.8",
            _write(_SHARED, _commands({"heaviest": _HEAVIEST})),
            "commit Name the heaviest item",
        ),
        {},
    ),
    Issue(
        "Name the lightest item",
        "A command: `python3 -m larder lightest`\n"
        + _script(
            "sleep 2.2",
            _write(_SHARED, _commands({"lightest": _LIGHTEST})),
            "commit Name the lightest item",
        ),
        {_SHARED: _commands({"heaviest": _HEAVIEST, "lightest": _LIGHTEST})},
        fix=f"`main` has changed `{_SHARED}`, too. Merge it and keep both commands.\n"
        + _script(
            "run git merge main",
            _write(_SHARED, _commands({"heaviest": _HEAVIEST, "lightest": _LIGHTEST})),
            "run python3 -m unittest --quiet",
            "commit Merge main, keep both commands",
        ),
    ),
    Issue(
        "Read stock from a file",
        "A function `load`; the README shows what such a file looks like.\n"
        + _script(
            *(_write(path, text) for path, text in _LOADING.items()),
            "sleep 1.0",
            "ask Is one line in the README enough?",
            "commit Read the stock from a file",
        ),
        _LOADING,
        answer="yes, it is",
        doomed=True,
    ),
)

TAG = "v1.1"
TESTED = ("python3", "-m", "unittest", "--quiet")
