"""One entry put into a text and taken out again, in every form, and nothing else touched."""

import json
import tomllib
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ao_mcp.clients.edit import Place
from ao_mcp.clients.form import Broken, Entry, Kind, Unfit, form

ENTRY: Entry = {
    "type": "stdio", "command": "/a b/ao-mcp", "args": ["--config", 'q"\\é'], "on": True,
    "timeout": 900, "env": {"AO_HOME": "/h"},
}  # fmt: skip
KEYS = {"json": "mcpServers", "jsonc": "mcpServers", "toml": "mcp_servers", "yaml": "extensions"}

EXACT: list[tuple[Kind, str]] = [
    ("json", '{"mcpServers": {"x": {"command": "y"}}}'),
    ("json", '{\n  "mcpServers": {\n    "x": {\n      "command": "y"\n    }\n  }\n}\n'),
    ("json", '{\r\n  "mcpServers": {\r\n    "x": {}\r\n  },\r\n  "b": 2\r\n}\r\n'),
    ("json", '{"mcpServers":{}}'),
    ("json", '{"a": [1, {"b": "}\\""}], "mcpServers": {"x": 1, "y": [2]}}'),
    ("jsonc", '{\n  "mcpServers": {\n    "x": {"a": 1} // behind\n    // below\n  } /* z */\n}\n'),
    ("jsonc", '{"mcpServers": {"x": 1,}, /* c */ }'),
    ("jsonc", '{\n "mcpServers": {\n  "x": 1, /* one */ // two\n\n  // y\n  "y": 2,\n },\n}'),
    ("jsonc", '{"mcpServers": {\n  "x": 1 // c\n  , "y": 2}}'),
    ("jsonc", '/* a\n b */ {\n  "mcpServers": {\n    "x": "// no comment"\n  }\n}'),
    ("toml", ""),
    ("toml", 'model = "x"'),
    ("toml", '# c\nmodel = "x"\n\n[mcp_servers.a]\ncommand = "x" # y\n\n# about t\n[tui]\na = 1\n'),
    ("toml", 'mcp_servers.a.command = "x"\n[tui]\nz=1\n'),
    ("toml", 'model = "x"\r\n\r\n[mcp_servers.a]\r\ncommand = "x"\r\n'),
    ("toml", '[tui]\nx="""\n[mcp_servers.ao]\n"""\n[mcp_servers.b]\ncommand="y"\n# end\n\n\n'),
    ("yaml", "extensions: {} # none\nb: 2\n"),
    ("yaml", "extensions:\r\n  dev:\r\n    enabled: true\r\n"),
    ("yaml", "x: &a {q: 1}\nextensions:\n    # first\n    d: *a\n\n    m:\n     t: |\n        l\n"),
    ("yaml", "extensions:\n  dev:\n    enabled: true\n# the end"),
]  # fmt: skip

# where nothing of the kind was before, an empty list of servers is left behind
NEARLY: list[tuple[Kind, str, str]] = [
    ("json", "", '{\n  "mcpServers": {}\n}\n'),
    ("json", '{"a":1}', '{"a":1, "mcpServers": {}}'),
    ("json", "{}\n", '{\n  "mcpServers": {}\n}\n'),
    ("jsonc", "{ // none\n}\n", '{ // none\n  "mcpServers": {}\n}\n'),
    ("jsonc", '{\n  "a": 1, // one\n}\n', '{\n  "a": 1, // one\n  "mcpServers": {},\n}\n'),
    ("yaml", "# c\n", "# c\nextensions: {}\n"),
    ("yaml", "a: 1", "a: 1\nextensions: {}\n"),
    ("yaml", "extensions: # later\nb: 1\n", "extensions: {} # later\nb: 1\n"),
]


def place(kind: Kind) -> Place:
    return Place(kind, (KEYS[kind],), "ao")


def data(kind: Kind, text: str) -> Any:
    """What others read there."""
    match kind:
        case "toml":
            return tomllib.loads(text)
        case "yaml":
            return yaml.safe_load(text) or {}
        case "json":
            return json.loads(text or "{}")
        case "jsonc":
            return form(kind).read(text)


@pytest.mark.parametrize(("kind", "before"), EXACT)
def test_taken_out_again_every_byte_is_as_it_was(kind: Kind, before: str) -> None:
    after = place(kind).edited(before, ENTRY)
    assert data(kind, after)[KEYS[kind]]["ao"] == ENTRY
    assert place(kind).entry(after) == ENTRY
    assert place(kind).edited(after, None) == before


@pytest.mark.parametrize(("kind", "before", "left"), NEARLY)
def test_where_nothing_was_only_an_empty_list_is_left(kind: Kind, before: str, left: str) -> None:
    after = place(kind).edited(before, ENTRY)
    assert data(kind, after)[KEYS[kind]] == {"ao": ENTRY}
    assert place(kind).edited(after, None) == left


@pytest.mark.parametrize(("kind", "before"), EXACT)
def test_a_changed_entry_changes_nothing_else(kind: Kind, before: str) -> None:
    once = place(kind).edited(before, ENTRY)
    other = place(kind).edited(once, {"command": "b"})
    assert data(kind, other)[KEYS[kind]]["ao"] == {"command": "b"}
    assert place(kind).edited(other, None) == before


def test_line_ends_are_kept() -> None:
    for kind, before in EXACT:
        if "\r\n" in before:
            assert place(kind).edited(before, ENTRY).replace("\r\n", "").count("\n") == 0


def test_what_stands_between_others_goes_without_a_trace() -> None:
    text = '{"mcpServers": {\n  "ao": {}, // ours\n  // about x\n  "x": 1\n}}'
    assert place("jsonc").edited(text, None) == (
        '{"mcpServers": { // ours\n  // about x\n  "x": 1\n}}'
    )
    text = "extensions:\n  a: 1\n\n  # ours\n  ao:\n    cmd: x # us\n\n  # about b\n  b: 2\n"
    assert place("yaml").edited(text, None) == (
        "extensions:\n  a: 1\n\n  # ours\n\n  # about b\n  b: 2\n"
    )
    text = '[mcp_servers.ao]\ncommand = "x"\n[mcp_servers.ao.env]\nA = "b"\n\n# about t\n[t]\n'
    assert place("toml").edited(text, None) == "\n# about t\n[t]\n"


@pytest.mark.parametrize(
    ("kind", "text", "where"),
    [
        ("json", '{"a": 1,}', "line 1, column 8: a comma stands after the last one"),
        ("json", '{"a": 1} // c', "line 1, column 10: something follows the end"),
        ("json", '{"a": 01}', "line 1, column 8: a comma or `}` is missing"),
        ("json", "[]", "line 1, column 1: it is not an object"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("json", '{"a": "\n"}', "line 1, column 7: a string is missing, or does not end"),
        ("jsonc", '{\n  "a": /* open', "line 2, column 8: a value is missing"),
        ("jsonc", '{"a" 1}', "line 1, column 6: a colon is missing"),
        ("toml", "a = 1\nb", "line 2, column 2: "),
        ("toml", "a = 1\na = 2\n", "line 2, column 6: "),
        ("yaml", "a: [", "line 1, column 5: "),
        ("yaml", "- 1\n", "line 1, column 1: it is not a mapping"),
        ("yaml", "a: !!python/object:x.Y {}\n", "line 1, column 4: "),
    ],
)
def test_what_cannot_be_read_is_told_with_its_place(kind: Kind, text: str, where: str) -> None:
    with pytest.raises(Broken) as raised:
        place(kind).edited(text, ENTRY)
    assert where in str(raised.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", '{"mcpServers": {"ao": 1, "ao": 2}}'),
        ("jsonc", '{"mcpServers": { // c\n "ao": 1 }}'),
        ("yaml", "? extensions\n: ao: 1\n  b: 2\n"),
        ("yaml", "extensions: {ao: {}}\n"),
    ],
)
def test_what_would_not_come_out_right_is_refused(kind: Kind, text: str) -> None:
    with pytest.raises(Unfit):
        place(kind).edited(text, None)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text('a"\\/*,é \n', max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("xy/{", max_size=3), inner),
    max_leaves=8,
)
TOPS = st.dictionaries(st.text("abc", min_size=1, max_size=3), VALUES, max_size=3)


@settings(max_examples=60, deadline=None)
@given(top=TOPS, others=TOPS, indent=st.sampled_from([None, 1, 2, "\t"]), first=st.booleans())
def test_any_json_keeps_its_bytes(
    top: dict[str, Any], others: dict[str, Any], indent: int | str | None, first: bool
) -> None:
    held = {"mcpServers": others}
    whole = held | top if first else top | held
    before = json.dumps(whole, indent=indent)
    for kind in ("json", "jsonc"):
        after = place(kind).edited(before, ENTRY)
        assert json.loads(after) == whole | {"mcpServers": others | {"ao": ENTRY}}
        assert place(kind).edited(after, None) == before
