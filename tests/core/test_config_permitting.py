"""The rules on permissions, as they may be written, and what makes no sense."""

from datetime import timedelta
from pathlib import Path

import pytest

from ao_core.config.load import load, project
from ao_core.config.models import EffectiveProject
from ao_core.config.problem import ConfigProblems


def app(folder: Path, text: str, defaults: str = "{}", own: str | None = None) -> EffectiveProject:
    (folder / "app" / ".git").mkdir(parents=True, exist_ok=True)
    path = folder / "app" / "agent-orchestrator.yaml"
    path.write_text(f"defaults: {defaults}\nprojects:\n  app: {text}\n")
    if own is not None:
        (folder / "home").mkdir(exist_ok=True)
        (folder / "home" / "config.yaml").write_text(own)
    return project(load(path, environment={}, home=folder / "home"), "app")


def test_the_rules_of_the_project_come_before_those_of_the_defaults(tmp_path: Path) -> None:
    found = app(
        tmp_path,
        "{permissionRules: [{decision: deny, command: git push},"
        " {decision: allow, tool: edit, path: ./docs/**}]}",
        "{permission_rules: [{decision: ask, path: outside}]}",
    )
    assert [str(one) for one in found.permission_rules] == [
        "rule 1 of the project: deny git push",
        "rule 2 of the project: allow edit docs/**",
        "rule 1 of the defaults: ask outside",
    ]
    assert found.permission_rules[0].command == ("git", "push")


def test_a_list_of_the_homes_holds_where_the_repository_has_none(tmp_path: Path) -> None:
    own = "defaults: {permission_rules: [{decision: deny, tool: fetch}]}\n"
    assert len(app(tmp_path, "{}", own=own).permission_rules) == 1
    assert app(tmp_path, "{}", "{permission_rules: []}", own).permission_rules == ()


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{decision: deny}", "should name a tool, a command or a path"),
        ("{command: ls}", "it is missing"),
        ("{decision: refuse, tool: a}", "it should be 'allow', 'ask' or 'deny'"),
        ("{decision: deny, tools: a}", "there is no such setting"),
        ("{decision: deny, tool: edit, command: ls}", "would never be met: that tool runs nothing"),
        (
            "{decision: deny, tool: Write, command: ls}",
            "would never be met: that tool runs nothing",
        ),
        ("{decision: allow, command: ls, path: outside}", "a command may go anywhere"),
        ("{decision: allow, command: ls, path: src/**}", "a command may go anywhere"),
        ("{decision: deny, path: /etc}", "should be inside, outside, or a pattern"),
        ("{decision: deny, path: ../x}", "should be inside, outside, or a pattern"),
        ("{decision: deny, path: ~/x}", "should be inside, outside, or a pattern"),
        ("{decision: deny, path: docs/}", "would never be met"),
        ("{decision: deny, path: a//b}", "would never be met"),
        ("{decision: deny, command: npm *}", "leave the * out"),
        ("{decision: deny, command: A=b npm}", "should begin with the program"),
        ("{decision: deny, command: a && b}", "is run without a shell"),
        ("{decision: deny, command: []}", "at least 1 item"),
    ],
)
def test_a_rule_that_makes_no_sense_is_told_with_what_to_do(
    rule: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigProblems) as found:
        app(tmp_path, f"{{permission_rules: [{rule}]}}")
    assert said in str(found.value)
    assert found.value.hint


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{decision: allow, command: git}", "{decision: deny, command: git push}"),
        ("{decision: deny, tool: '*'}", "{decision: ask, tool: edit, path: a}"),
        ("{decision: deny, path: outside}", "{decision: allow, tool: read, path: outside}"),
        ("{decision: deny, tool: edit}", "{decision: deny, tool: edit}"),
    ],
)
def test_a_rule_that_is_never_reached_is_told(earlier: str, later: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match="comes never as far as number 2"):
        app(tmp_path, f"{{permission_rules: [{earlier}, {later}]}}")
    assert len(app(tmp_path, f"{{permission_rules: [{later}]}}").permission_rules) == 1


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("{decision: allow, command: git push fork}", "{decision: deny, command: git push}"),
        ("{decision: ask, path: inside}", "{decision: deny, command: rm, path: inside}"),
        ("{decision: allow, tool: edit, path: a}", "{decision: ask, tool: edit}"),
    ],
)
def test_the_narrower_one_comes_first(earlier: str, later: str, tmp_path: Path) -> None:
    found = app(tmp_path, f"{{permission_rules: [{earlier}, {later}]}}")
    assert len(found.permission_rules) == 2


@pytest.mark.parametrize(
    ("own", "shared", "expected"),
    [
        ("", "", None),
        ("permission_timeout: 10m", "", timedelta(minutes=10)),
        ("", "permission_timeout: 1h", timedelta(hours=1)),
        ("permissionTimeout: 30s", "permission_timeout: 1h", timedelta(seconds=30)),
        ("permission_timeout: never", "permission_timeout: 1h", None),
    ],
)
def test_the_project_says_how_long_an_answer_is_waited_for(
    own: str, shared: str, expected: timedelta | None, tmp_path: Path
) -> None:
    assert app(tmp_path, f"{{{own}}}", f"{{{shared}}}").permission_timeout == expected


@pytest.mark.parametrize("time", ["0s", "soon", "5", "true"])
def test_a_time_that_is_none_is_refused(time: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigProblems, match="should be a time such as"):
        app(tmp_path, f"{{permission_timeout: {time}}}")


def test_the_example_in_the_documents_can_be_read(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "permissions.md").read_text()
    example = text.partition("## Rules")[2].partition("```yaml\n")[2].partition("```")[0]
    (tmp_path / ".git").mkdir()
    path = tmp_path / "agent-orchestrator.yaml"
    path.write_text(example)
    assert len(project(load(path, environment={}), "app").permission_rules) == 6
