"""What the judges said, in one table: printed, and put between two marks in docs/conformance.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from conformance.inspecting import Inspected
from conformance.known import ERAS, INSPECTOR, REVISIONS, SUITE, Judge
from conformance.scenarios import PRODUCT, Ran

BEGIN = "<!-- made by `make conformance` -->"
HEADINGS = ("judge", "version", "what is judged", "era", "passes", "fails")
_LONGEST = 160
_REVISIONS = dict(zip(ERAS, REVISIONS, strict=True))


@dataclass(frozen=True, slots=True)
class Row:
    """One line. `found` is what was wrong; `surprising` is what of it nobody expected."""

    judge: Judge
    what: str
    era: str
    passes: int
    asked: int
    found: Mapping[str, str]
    surprising: Mapping[str, str]
    reasons: Mapping[str, str]

    def cells(self) -> tuple[str, ...]:
        passes = f"{self.passes} of {self.asked}"
        wrong = dict.fromkeys(one.partition(":")[0] for one in (*self.found, *self.surprising))
        fails = ", ".join(f"`{one}`" for one in wrong)
        return (self.judge.title, self.judge.version, self.what, self.era, passes, fails or "-")


def inspected(one: Inspected) -> Row:
    """A line of the Inspector's, of whom nothing is expected but that all is well."""
    passes = one.asked - len(one.found)
    era = _REVISIONS[one.era]
    return Row(
        INSPECTOR, f"the product, {one.way}", era, passes, one.asked, one.found, one.found, {}
    )


def ran(one: Ran) -> Sequence[Row]:
    """Two lines of the suite's: what it scores, and what it tries beside."""
    every = "generic scenarios" if one.what == PRODUCT else "all scenarios"
    parts = {"": one.asked.scored, ", not scored": one.asked.beside}
    return [
        _row(one, f"{one.what}: {every}{part}", names) for part, names in parts.items() if names
    ]


def _row(one: Ran, what: str, names: Sequence[str]) -> Row:
    def of_these(told: Mapping[str, str]) -> Mapping[str, str]:
        return {key: said for key, said in told.items() if key.partition(":")[0] in names}

    found = of_these(one.found)
    reasons = {key: why for key in found if (why := one.reason(key)) is not None}
    passes, surprising = one.passed(names), of_these(one.surprises)
    return Row(SUITE, what, one.revision, passes, len(names), found, surprising, reasons)


def markdown(rows: Sequence[Row]) -> str:
    """The table, and under it why what fails does."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *(row.cells() for row in rows)]
    table = [f"| {' | '.join(cells)} |" for cells in lines]
    reasons = dict.fromkeys(line for row in rows for line in _reasons(row))
    return "\n".join([*table, *(("", *reasons) if reasons else ())])


def _reasons(row: Row) -> Sequence[str]:
    every = {**row.found, **row.surprising}
    return [
        f"- `{_named(one)}` ({row.what}, {row.era}): {row.reasons.get(one) or _short(said)}"
        for one, said in every.items()
    ]


def _named(found: str) -> str:
    """A check that goes by its scenario's name is named once."""
    scenario, _, check = found.partition(":")
    return scenario if check == scenario else found


def _short(text: str) -> str:
    line = " ".join(text.split()).replace("<", "‹")
    return f"not expected: {line if len(line) <= _LONGEST else line[:_LONGEST] + '…'}"
