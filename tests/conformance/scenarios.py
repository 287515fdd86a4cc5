"""The conformance suite, run against a server; and what it found beside what is expected.

What is expected to fail is in `expected/`, in the suite's own format, a line each, with the reason
in its comment. What fails beyond that is told, and so is what is expected and does not fail.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from clients.known import bin_of, path_of
from conformance.known import GENERIC, SUITE
from conformance.stage import Server

PRODUCT, FIXTURES = "the product", "with fixtures"
EXPECTED = Path(__file__).with_name("expected")
_FILES: Mapping[str, str] = {PRODUCT: "product", FIXTURES: "fixtures"}
_BEARER = Path(__file__).with_name("bearer.mjs")
_RESULT = re.compile(r"server-(.+)-\d{4}-\d\d-\d\dT")
_LINE = re.compile(r"  - (\S+) +# (\S.*)")
_WRONG = ("FAILURE", "WARNING")
_PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a revision asks for; `beside` is what the suite tries without scoring it."""

    scored: Sequence[str]
    beside: Sequence[str]

    @property
    def every(self) -> Sequence[str]:
        return (*self.scored, *self.beside)


@dataclass(frozen=True, slots=True)
class Ran:
    """One run. `found` is what was wrong: `<scenario>:<check>`, and what the suite said."""

    what: str
    revision: str
    asked: Asked
    found: Mapping[str, str]
    expected: Mapping[str, str]

    @property
    def surprises(self) -> Mapping[str, str]:
        """What is wrong and not expected, or the other way round."""
        beyond = {one: said for one, said in self.found.items() if self.reason(one) is None}
        known = {one for found in self.found for one in (found, found.partition(":")[0])}
        stale = dict.fromkeys(self.expected.keys() - known, "is expected to fail, and passes")
        return beyond | stale

    def reason(self, found: str) -> str | None:
        """Why it is as it is."""
        return self.expected.get(found) or self.expected.get(found.partition(":")[0])

    def passed(self, scenarios: Sequence[str]) -> int:
        """How many of them have nothing wrong."""
        wrong = {one.partition(":")[0] for one in self.found}
        return sum(one not in wrong for one in scenarios)


def run(what: str, revision: str, server: Server, out: Path, clients: Path) -> Ran:
    """All that a revision requires, at the wire of that revision."""
    argv = [
        str(bin_of(clients) / SUITE.program), "server", "--url", server.url,
        "--requirements", revision, "--output-dir", str(out),
    ]  # fmt: skip
    # its exit code is for what it scores; what is asked of us is read from its results
    done = subprocess.run(
        argv, env=_environment(server, clients), cwd=out.parent, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=_PATIENCE, check=False,
    )  # fmt: skip
    asked = asked_by(what, revision, clients)
    checks = results(out)
    if not checks:
        raise AssertionError(f"the suite tried nothing: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Ran(what, revision, asked, _wrong(asked.every, checks), expected(what, revision))


def _environment(server: Server, clients: Path) -> Mapping[str, str]:
    told = {"BEARER_TOKEN": server.token, "BEARER_HOST": urlsplit(server.url).netloc}
    own = {"NODE_OPTIONS": f"--import {_BEARER.as_uri()}", "NO_COLOR": "1"}
    return {**os.environ, "PATH": path_of(clients, Path(sys.executable).parent), **own, **told}


def asked_by(what: str, revision: str, clients: Path) -> Asked:
    """Of a product what any server has; else all but extensions, which the SDK has none of."""
    file = clients / "node_modules" / SUITE.package / "requirements" / f"{revision}.yaml"
    told: Mapping[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    beside = [
        str(one["scenario"])
        for one in told["not_scored"]
        if one["leg"] == "server" and one["reason"] != "extension"
    ]
    if what == FIXTURES:
        return Asked(told["server"], beside)
    return Asked(*([one for one in part if one in GENERIC] for part in (told["server"], beside)))


def results(out: Path) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """What was checked, by scenario."""
    found: dict[str, Sequence[Mapping[str, Any]]] = {}
    for file in sorted(out.glob("*/checks.json")):
        if (named := _RESULT.match(file.parent.name)) is not None:
            found[named[1]] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _wrong(
    asked: Sequence[str], checks: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Mapping[str, str]:
    found = {f"{one}:not-run": "was not tried" for one in asked if not checks.get(one)}
    for scenario in asked:
        for check in checks.get(scenario, ()):
            if check["status"] in _WRONG:
                said = check.get("errorMessage") or check["description"]
                found[f"{scenario}:{check['id']}"] = " ".join(str(said).split())
    return found


def expected(what: str, revision: str) -> Mapping[str, str]:
    """What is expected to fail, and why."""
    lines = (EXPECTED / f"{_FILES[what]}-{revision}.yaml").read_text(encoding="utf-8").splitlines()
    entries = [line for line in lines if line.startswith("  ")]
    found = [_LINE.fullmatch(line) for line in entries]
    if None in found:
        raise ValueError(f"a line without its reason: {entries[found.index(None)]}")
    return {one[1]: one[2] for one in found if one is not None}
