"""Where descriptions are looked for, and how values are held against them."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from standins import specs
from standins.schemas import Schemas

THING = {"$ref": "#/components/schemas/thing"}
SCHEMAS = Schemas(
    {
        "schemas": {
            "thing": {
                "type": "object",
                "required": ["id", "at", "owner_url", "part", "kind", "gone"],
                "properties": {
                    "id": {"type": "integer"},
                    "at": {"type": "string", "format": "date-time"},
                    "owner_url": {"type": "string"},
                    "part": {"$ref": "#/components/schemas/part"},
                    "kind": {"type": "string", "enum": ["plain", "other"]},
                    "gone": {"type": "string", "nullable": True},
                    "more": {"type": "array", "items": {"$ref": "#/components/schemas/thing"}},
                },
            },
            "part": {
                "type": "object",
                "required": ["count"],
                "properties": {"count": {"type": "integer"}},
            },
        }
    }
)


def test_facts_are_filled_out_to_what_is_described() -> None:
    told = SCHEMAS.filled(THING, {"id": 1, "at": "2026-01-01T00:00:00Z", "url": "u:1", "own": 1})
    assert told == {
        "id": 1, "at": "2026-01-01T00:00:00Z", "owner_url": "u:1/owner_url", "part": {"count": 0},
        "kind": "plain", "gone": None,
    }  # fmt: skip
    assert SCHEMAS.complaints(THING, told) == []


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("id", "1", "'1' is not of type 'integer'"),
        ("at", "yesterday", "is not a 'date-time'"),
        ("kind", "odd", "is not one of"),
        ("part", None, "None is not of type 'object'"),
        ("more", ["1"], "'1' is not of type 'object'"),
    ],
)
def test_what_is_not_as_it_is_described_is_complained_of(
    name: str, value: object, complaint: str
) -> None:
    whole = SCHEMAS.filled(THING, {"id": 1, "at": "2026-01-01T00:00:00Z"})
    assert any(complaint in said for said in SCHEMAS.complaints(THING, whole | {name: value}))


def test_what_nobody_described_is_complained_of_only_where_that_is_asked() -> None:
    whole = SCHEMAS.filled(THING, {"id": 1, "at": "2026-01-01T00:00:00Z"}) | {"odd": 1}
    assert SCHEMAS.complaints(THING, whole) == []
    (complaint,) = SCHEMAS.complaints(THING, whole, closed=True)
    assert "'odd' was unexpected" in complaint


def test_a_description_that_is_not_here_skips_the_test(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(specs, "_NAMED", str(tmp_path))
    with pytest.raises(pytest.skip.Exception, match="make specs"):
        specs.wanted("no-such-thing.json")
    (tmp_path / "such-a-thing.json").write_text('{"a": 1}')
    assert specs.document(specs.wanted("such-a-thing.json")) == {"a": 1}


def test_a_person_can_start_it_by_hand(tmp_path: Path) -> None:
    specs.wanted("github-rest.json.gz")
    argv = [sys.executable, "-m", "standins.github"]
    with subprocess.Popen(
        argv, cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout
        told = {(words := one.stdout.readline().split())[0]: words[1] for _ in range(2)}
        headers = {"authorization": f"Bearer {told['token']}"}
        issues = httpx.get(
            f"{told['address']}/repos/acme/app/issues", headers=headers, trust_env=False
        )
        one.send_signal(signal.SIGTERM)
    assert re.match("The first", issues.json()[0]["title"])
    assert one.returncode == 0
