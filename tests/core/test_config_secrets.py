"""Variables and secrets in a configuration; and no bytes whatever break its reader."""

import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from ao_core.config.load import Loaded, load, project
from ao_core.config.problem import ConfigProblems
from ao_core.config.secret import EnvironmentSecrets, SecretRef, reveal
from ao_core.errors import ConfigError, CredentialsNeeded

TOKEN = "ghp_" + "a1" * 18


def read(folder: Path, text: str, **environment: str) -> Loaded:
    path = folder / "agent-orchestrator.yaml"
    path.write_text(text)
    return load(path, environment=environment)


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("${NAME}", "here"),
        ("a-${NAME}-${NAME}", "a-here-here"),
        ("${NOTHING:-x y}", "x y"),
        ("${EMPTY:-x}", "x"),
        ("${NOTHING:-}", ""),
        ("$${NAME}", "${NAME}"),
        ("$NAME $5", "$NAME $5"),
    ],
)
def test_variables_are_put_in(written: str, value: str, tmp_path: Path) -> None:
    loaded = read(tmp_path, f"env: {{X: '{written}'}}", NAME="here", EMPTY="")
    assert loaded.settings.env == {"X": value}


def test_a_missing_variable_is_a_problem_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems) as caught:
        read(tmp_path, "notifiers:\n  s:\n    plugin: slack\n    webhook: ${HOOK}\n    x: ${}")
    assert [(one.line, one.where) for one in caught.value.problems] == [
        (4, "notifiers.s.webhook"),
        (5, "notifiers.s.x"),
    ]
    assert "the variable HOOK is not set" in caught.value.message


def test_a_variable_that_is_only_passed_on_may_be_missing(tmp_path: Path) -> None:
    loaded = read(tmp_path, "env: {A: '${A}', B: '${B}'}", A="1")
    assert loaded.settings.env == {"A": "1"}
    assert [one.where for one in loaded.warnings] == ["env.B"]


def test_prose_is_left_as_it_is(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        "projects: {a: {path: ., agentRules: 'Use ${VAR}.'}}\n"
        "reactions: {agent-idle: {message: 'Say ${X}.'}}",
    )
    assert project(loaded, "a").rules == "Use ${VAR}."
    assert project(loaded, "a").reactions["agent-idle"].message == "Say ${X}."


def test_a_secret_in_the_file_is_warned_about_and_never_shown(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        "notifiers:\n"
        "  a: {plugin: x, apiKey: hunter2}\n"
        f"  b: {{plugin: x, note: 'see {TOKEN}'}}\n"
        "  c: {plugin: x, token: '${T}', port: 7}\n"
        "  d: {plugin: x, password: 12345}\n"
        "  e: {plugin: x, password: '${P:-swordfish}'}\n",
        T="from-outside",
    )
    assert [(one.line, one.where) for one in loaded.warnings] == [
        (2, "notifiers.a.apiKey"),
        (3, "notifiers.b.note"),
        (5, "notifiers.d.password"),
        (6, "notifiers.e.password"),
    ]
    assert loaded.secrets == {"hunter2", f"see {TOKEN}", "from-outside", "12345", "swordfish"}
    assert "hunter2" not in " ".join(map(str, loaded.warnings))


@pytest.mark.parametrize(
    "text",
    [
        "store: {url: hunter2hunter2, kind: nothing}",
        "store: {url: [hunter2hunter2]}",
        "projects: {a: {tracker: {plugin: [hunter2hunter2], token: hunter2hunter2}}}",
        "projects: {a: {agentConfig: {apiKey: hunter2hunter2}}}",
        "env: {TOKEN: [hunter2hunter2]}",
        "token: hunter2hunter2",
        "token: 'hunter2hunter2",
        "token: !hunter2hunter2 x",
        f"{TOKEN}: 1",
        f"a: *{TOKEN}",
    ],
)
def test_no_error_quotes_a_secret(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    said = caught.value.message + str(caught.value.wire())
    assert "hunter2" not in said.replace("!hunter2hunter2", "")
    assert TOKEN not in said


async def test_a_reference_is_looked_up_when_it_is_used(tmp_path: Path) -> None:
    loaded = read(
        tmp_path,
        "projects:\n"
        "  a:\n"
        "    path: .\n"
        "    env: {X: 'secret://env/X_TOKEN', Y: plain}\n"
        "    tracker: {plugin: jira, token: 'secret://env/JIRA', deep: ['secret://env/JIRA']}\n",
    )
    app = project(loaded, "a")
    assert (app.env, app.secret_env) == ({"Y": "plain"}, {"X": SecretRef("env", "X_TOKEN")})
    assert loaded.warnings == ()
    secrets = {"env": EnvironmentSecrets({"JIRA": "j"})}
    assert await reveal(app.tracker.settings, secrets) == {"token": "j", "deep": ["j"]}
    with pytest.raises(CredentialsNeeded, match="X_TOKEN"):
        await reveal(app.secret_env, secrets)


@pytest.mark.parametrize("ref", ["secret://vault/a#b", "secret://env/JIRA#field"])
async def test_a_reference_nobody_understands_is_refused(ref: str, tmp_path: Path) -> None:
    loaded = read(tmp_path, f"env: {{X: '{ref}'}}")
    with pytest.raises(ConfigError):
        await reveal(loaded.settings.env, {"env": EnvironmentSecrets({"JIRA": "j"})})


NAMES = """projects defaults env agent agentConfig gates checks command path plugin notifiers
plugins reactions ci-failed symlinks postCreate sessionPrefix store port a <<"""
KEYS = st.sampled_from(NAMES.split()) | st.text(max_size=5)
WORDS = st.text(max_size=20) | st.sampled_from(
    ["${A}", "${", "$${", "secret://env/X", "secret://", "./a.py:B", "~", "..", "1e9", "\0"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=25,
)


def harmless(data: bytes) -> None:
    """Loading ends well, or in a `ConfigError`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "agent-orchestrator.yaml"
        path.write_bytes(data)
        try:
            loaded = load(path, environment={"A": "1"})
            found = [project(loaded, id).id for id in loaded.settings.projects]
        except ConfigError:
            return
    assert found == list(loaded.settings.projects)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    harmless(data)


@given(st.text(alphabet="ab:-[]{}&*!|>'\"%@`#?,\\ \n\tx0<~é\x85\u2028", max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    harmless(text.encode())


@example({"[key]": None})
@given(st.dictionaries(KEYS, VALUES, max_size=8))
def test_no_settings_break_the_checks(data: dict[str, Any]) -> None:
    harmless(yaml.safe_dump(data).encode("utf-8", "surrogatepass"))
