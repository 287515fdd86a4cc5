"""Configuration is found, read, checked and layered."""

import os
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ao_core import platform
from ao_core.config.load import Loaded, engine_settings, find, load, project, zero
from ao_core.config.models import Settings
from ao_core.config.problem import ConfigProblems
from ao_core.errors import BadRequest, ConfigError, Unknown
from ao_core.model.event import Priority
from ao_core.model.session import PermissionMode

Write = Callable[[str], Path]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "sample" / ".git").mkdir(parents=True)
    return tmp_path / "sample"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def write(repository: Path) -> Write:
    def written(text: str) -> Path:
        path = repository / "agent-orchestrator.yaml"
        path.write_text(text)
        return path

    return written


def read(path: Path, home: Path | None = None) -> Loaded:
    return load(path, environment={"HOME": "/nobody"}, home=home)


def refused(path: Path) -> list[str]:
    with pytest.raises(ConfigProblems) as caught:
        read(path)
    folder = f"{path}:"
    return [str(one).removeprefix(folder) for one in caught.value.problems]


# -- finding ------------------------------------------------------------------------------------


def test_what_is_asked_for_comes_first_then_the_variable_then_the_nearest_then_the_home(
    repository: Path, home: Path, write: Write, tmp_path: Path
) -> None:
    inner = repository / "a" / "b"
    inner.mkdir(parents=True)
    files = [tmp_path / "asked.yaml", tmp_path / "named.yaml", write(""), home / "config.yaml"]
    for file in files:
        file.write_text("")
    named = {"AO_CONFIG_PATH": str(files[1])}
    assert find(inner, files[0], named, home) == files[0]
    assert find(inner, None, named, home) == files[1]
    assert find(inner, None, {}, home) == files[2]
    assert find(tmp_path, None, {}, home) == files[3]
    files[3].unlink()
    assert find(tmp_path, None, {}, home) is None
    assert find(None, None, {}, home) is None


def test_the_nearest_file_wins_and_either_ending_will_do(repository: Path, home: Path) -> None:
    inner = repository / "inner"
    inner.mkdir()
    outer_file = repository / "agent-orchestrator.yaml"
    inner_file = inner / "agent-orchestrator.yml"
    for file in (outer_file, inner_file):
        file.write_text("")
    assert find(inner, None, {}, home) == inner_file
    assert find(repository, None, {}, home) == outer_file


def test_a_file_asked_for_and_not_there_is_an_error(repository: Path, home: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        find(repository, Path("nothing.yaml"), {}, home)
    with pytest.raises(ConfigError, match="AO_CONFIG_PATH"):
        find(repository, None, {"AO_CONFIG_PATH": "nothing.yaml"}, home)


def test_a_linked_worktree_is_configured_by_its_main_checkout(
    repository: Path, home: Path, write: Write, tmp_path: Path
) -> None:
    path = write("port: 4000")
    private = repository / ".git" / "worktrees" / "linked"
    private.mkdir(parents=True)
    (private / "commondir").write_text("../..\n")
    linked = tmp_path / "linked"
    (linked / "src").mkdir(parents=True)
    (linked / ".git").write_text(f"gitdir: {private}\n")
    (linked / "agent-orchestrator.yaml").write_text("port: 5000")
    assert find(linked / "src", None, {}, home) == path


def test_a_workers_tree_is_never_read(home: Path) -> None:
    tree = home / "abc-sample" / "worktrees" / "sam-1"
    tree.mkdir(parents=True)
    path = tree / "agent-orchestrator.yaml"
    path.write_text("")
    assert find(tree, None, {}, home) is None
    with pytest.raises(ConfigError, match="worker's tree"):
        find(None, path, {}, home)


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="files have no owner here")
def test_a_file_of_another_user_is_not_taken_up_by_chance(
    repository: Path, home: Path, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("")
    stranger = path.stat().st_uid + 1
    if path.stat().st_uid == 0:
        os.chown(path, 12345, -1)
    monkeypatch.setattr(os, "getuid", lambda: stranger)
    with pytest.raises(ConfigError, match="another user"):
        find(repository, None, {}, home)
    assert find(repository, path, {}, home) == path


# -- problems -----------------------------------------------------------------------------------


def test_every_problem_is_told_at_once_with_its_line_and_what_was_meant(write: Write) -> None:
    path = write(
        "defaults:\n"
        "  agnet: claude-code\n"
        "port: 70000\n"
        "projects:\n"
        "  app:\n"
        "    path: .\n"
        "    postCraete: []\n"
        "    gates: {checks: [{name: t, comand: x}]}\n"
        "reactions:\n"
        "  ci-faild: {auto: false}\n"
    )
    found = refused(path)
    assert found[0] == "2: defaults.agnet: there is no such setting (did you mean 'agent'?)"
    assert found[1].startswith("3: port: it should be less than or equal to 65535")
    assert "7: projects.app.postCraete" in found[2]
    assert found[2].endswith("(did you mean 'postCreate'?)")
    assert any(line.endswith("(did you mean 'command'?)") for line in found)
    assert any(line.startswith("10: reactions.ci-faild") for line in found)
    assert found[-1].endswith("(did you mean 'ci-failed'?)")


def test_a_settings_of_a_project_at_the_top_is_told_where_it_belongs(write: Write) -> None:
    (found,) = refused(write("agentRules: hello"))
    assert "under `projects`" in found


def test_both_spellings_are_one_setting(write: Write) -> None:
    camel = (
        "projects: {a: {path: ., sessionPrefix: x, postCreate: [make]}}\nreadyThresholdMs: 60000"
    )
    snake = "projects: {a: {path: ., session_prefix: x, post_create: [make]}}\nready_threshold: 60s"
    assert read(write(camel)).settings == read(write(snake)).settings
    (found,) = refused(write("projects:\n  a:\n    sessionPrefix: x\n    session_prefix: y"))
    assert found == "4: projects.a.session_prefix: it is written twice, in two spellings"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [", "1: this is not YAML"),
        ("- a", "1: the file should hold settings"),
        ("port: 1\nport: 2", "2: port: it is written twice, first on line 1"),
        ("port: !!python/object:os.system x", "1: port: tags such as"),
        ("env: &a {b: *a}", "1: env.b: an alias holds itself"),
        ("? [a]\n: b", "1: a name should be a word"),
        ('env: {A: "\\ud800"}', "1: env.A: it holds characters"),
        ("projects: {../x: {}}", "1: projects.../x: it cannot be used"),
        ("projects: {a: {path: ., sessionPrefix: A B}}", "1: projects.a.sessionPrefix: it should"),
        ("projects: {a: {path: ., postCreate: ['a && b']}}", "without a shell"),
        ('projects: {a: {path: ., postCreate: ["a \'b"]}}', "a quote that is not closed"),
        ("projects: {a: {path: ., symlinks: [../../etc]}}", "a path inside the project"),
        ("projects: {a: {path: ., env: {AO_TOKEN: x}}}", "the engine's own"),
        ("projects: {a: {path: ., agentConfig: {permissions: all}}}", "'default', 'auto-edit'"),
        ("projects: {a: {path: ., agentConfig: {foo: 1}}}", "no `agent` is named"),
        ("projects: {a: {path: ., defaultBranch: -x}}", "1: projects.a.defaultBranch: it cannot"),
        ("projects: {a: {path: /x/app}, b: {path: /y/app}}", "as those of project a"),
        ("projects: {a: {path: ., gates: [make, make]}}", "two checks have the same name"),
        ("projects: {a: {}, b: {path: .}}", "1: projects.a.path: it is missing"),
        ("reactions: {agent-idle: {escalateAfter: 1d}}", "a time such as 30s"),
        (
            "reactions: {all-complete: {action: auto-merge}}",
            "all-complete.action: it cannot be had",
        ),
        ("reactions: {all-complete: {retries: 2}}", "all-complete.retries: it cannot be had"),
        ("reactions: {all-complete: {escalateAfter: 1h}}", "escalate_after: it cannot be had"),
        (
            "reactions: {pr-closed: {threshold: 1h}}",
            "threshold: it waits for nothing: leave it out",
        ),
        ("reactions: {pr-closed: {includeSummary: true}}", "it belongs to all-complete"),
        (
            "projects: {a: {path: ., reactions: {all-complete: {threshold: 1h}}}}",
            "1: projects.a.reactions.all-complete.threshold: it waits for nothing",
        ),
        ("lifecycle: {mergeCleanupIdleGraceMs: 300}", "is in milliseconds"),
        ("defaults: {runtime: {columns: 3}}", "1: defaults.runtime.plugin: it is missing"),
        ("defaults: {runtime: [tmux]}", "a plugin's name, or a table"),
        ("projects: {a: {path: ., name: secret://env/X}}", "a reference to a secret cannot"),
        ("env: {A: secret://x}", "1: env.A: write it like secret://provider/path"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(text: str, said: str, write: Write) -> None:
    assert any(said in line for line in refused(write(text))), refused(write(text))


def test_a_file_that_swells_is_refused_at_once(write: Write) -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    assert "aliases" in refused(write(bomb))[0]
    assert "nested" in refused(write("[" * 5000))[0]
    assert "longer" in refused(write("#" * (1024 * 1024 + 1)))[0]


def test_what_is_not_a_text_file_is_refused(repository: Path, write: Write) -> None:
    assert (
        "not a plain file" in refused(repository)[0] or "cannot be read" in refused(repository)[0]
    )
    assert "cannot be read" in refused(repository / "nothing")[0]
    path = write("")
    path.write_bytes(b"a: b\n\xff\xfe")
    assert refused(path) == ["2: this is not text in UTF-8"]


def test_words_stay_words(write: Write) -> None:
    loaded = read(write("env: {A: on, B: 1.10, C: 12:30, D: 0755, E: true, F: '3', G: 2026-01-01}"))
    assert loaded.settings.env == {
        "A": "on", "B": "1.10", "C": "12:30", "D": "0755", "E": "true", "F": "3", "G": "2026-01-01",
    }  # fmt: skip


def test_keys_without_effect_are_warned_about(write: Write) -> None:
    path = write("port: 4000\nterminalPort: 3001\nprojects: {a: {path: /nowhere/at/all}}")
    said = [str(one).removeprefix(f"{path}:") for one in read(path).warnings]
    assert said == [
        "1: port: it has no effect in this version",
        "2: terminal_port: it has no effect in this version",
        "3: projects.a.path: there is no such folder",
    ]


def test_merged_work_is_cleared_away_after_a_while_unless_that_is_switched_off(
    write: Write,
) -> None:
    def grace(text: str) -> tuple[object, object]:
        found = project(read(write(f"{text}\nprojects: {{a: {{path: .}}}}")), "a")
        return found.merged_grace, found.abandoned_grace

    assert grace("") == (timedelta(minutes=5), None)
    assert grace("lifecycle: {merge_cleanup_idle_grace: 1h}") == (timedelta(hours=1), None)
    assert grace("lifecycle: {auto_cleanup_on_merge: false, abandoned_grace: 7d}") == (
        None, timedelta(days=7),
    )  # fmt: skip


# -- layers -------------------------------------------------------------------------------------


def test_a_file_is_laid_over_the_homes_field_by_field(write: Write, home: Path) -> None:
    (home / "config.yaml").write_text(
        "defaults: {agent: codex, notifiers: [lead, desk]}\n"
        "notifiers: {desk: {plugin: desktop, sound: soft}}\n"
        "reactions: {ci-failed: {retries: 7, message: fix it}}\n"
        "store: {kind: sqlite}\n"
    )
    path = write(
        "defaults: {agent: claude-code}\n"
        "reactions: {ci-failed: {retries: 3}}\n"
        "projects: {app: {path: ., reactions: {ci-failed: {auto: false}}}}\n"
        "store: {kind: sqlite}\n"
    )
    loaded = read(path, home)
    app = project(loaded, "app")
    assert app.agent == "claude-code"
    assert [(one.alias, one.name, dict(one.settings)) for one in app.notifiers] == [
        ("lead", "lead", {}),
        ("desk", "desktop", {"sound": "soft"}),
    ]
    failed = app.reactions["ci-failed"]
    assert (failed.auto, failed.retries, failed.message) == (False, 3, "fix it")
    assert (failed.action, failed.escalate_after) == ("send-to-agent", 2)
    assert loaded.settings.store.kind == "sqlite"
    assert any("only in the home's" in one.message for one in loaded.warnings)


def test_a_problem_in_each_layer_is_told(write: Write, home: Path) -> None:
    (home / "config.yaml").write_text("prot: 1")
    with pytest.raises(ConfigProblems) as caught:
        read(write("prt: 1"), home)
    files = {one.path.name for one in caught.value.problems if one.path}
    assert files == {"config.yaml", "agent-orchestrator.yaml"}


def test_roles_and_projects_override_from_the_outside_in(write: Write) -> None:
    path = write(
        "defaults:\n"
        "  agent: {plugin: codex, speed: fast}\n"
        "  orchestrator: {agent: claude-code}\n"
        "projects:\n"
        "  app:\n"
        "    path: .\n"
        "    agentConfig: {permissions: skip, model: big, effort: high}\n"
        "    worker: {agentConfig: {model: small}}\n"
    )
    worker, lead = project(read(path), "app"), project(read(path), "app", "orchestrator")
    assert (worker.agent, worker.model) == ("codex", "small")
    assert worker.agent_choice("codex").settings == {"speed": "fast", "effort": "high"}
    assert worker.permissions is PermissionMode.PERMISSIONLESS
    assert (lead.agent, lead.model) == ("claude-code", "big")
    assert lead.agent_choice("claude-code").settings == {"effort": "high"}
    assert worker.agent_choice("other").settings == {}


def test_one_plugins_settings_are_nothing_to_another(write: Write) -> None:
    text = "defaults: {tracker: {plugin: a, x: 1, y: 1}}\nprojects: {app: {path: ., tracker: %s}}"
    same = project(read(write(text % "{plugin: a, x: 2}")), "app").tracker
    other = project(read(write(text % "b")), "app").tracker
    assert (same.name, dict(same.settings)) == ("a", {"x": 2, "y": 1})
    assert (other.name, dict(other.settings)) == ("b", {})


def test_without_any_configuration_there_are_good_choices(repository: Path) -> None:
    found = zero(repository)
    assert (found.id, found.path, found.prefix) == ("sample", repository, "sam")
    assert found.runtime.name == platform.default_runtime()
    assert [found.workspace.name, found.tracker.name, found.scm.name] == [
        "worktree", "local", "local",
    ]  # fmt: skip
    assert [one.name for one in found.notifiers] == ["lead"]
    assert (found.agent, found.code) == (None, ())
    assert found.permissions is PermissionMode.DEFAULT


def test_a_repository_not_listed_gets_only_what_is_the_persons_own(
    write: Write, home: Path, tmp_path: Path
) -> None:
    (home / "config.yaml").write_text("defaults: {agent: codex}")
    loaded = read(write("defaults: {agent: ./evil.py:Evil}"), home)
    assert zero(tmp_path / "elsewhere", loaded).agent == "codex"


def test_a_file_that_names_no_project_means_its_repository(write: Write, repository: Path) -> None:
    loaded = read(write("defaults: {agent: codex}"))
    assert project(loaded, "sample").path == repository
    loaded = read(write("projects: {app: {gates: [make test]}}"))
    (gate,) = project(loaded, "app").gates
    assert project(loaded, "app").path == repository
    assert (gate.name, gate.command, gate.deadline) == ("make test", ("make", "test"), 600.0)


def test_paths_are_seen_from_the_file_and_from_the_callers_home(write: Write) -> None:
    path = write("projects: {a: {path: ../x}, b: {path: ~/y, sessionPrefix: bb}}")
    loaded = read(path)
    assert project(loaded, "a").path == path.parent.parent / "x"
    assert project(loaded, "b").path == Path("/nobody/y")


def test_the_main_branch_is_read_from_git_unless_it_is_set(write: Write, repository: Path) -> None:
    git = repository / ".git"
    (git / "HEAD").write_text("ref: refs/heads/feature\n")
    path = write("projects: {app: {path: .}}")
    assert project(read(path), "app").default_branch == "feature"
    (git / "packed-refs").write_text("0123 refs/heads/master\n")
    assert project(read(path), "app").default_branch == "master"
    (git / "refs/remotes/origin").mkdir(parents=True)
    (git / "refs/remotes/origin/HEAD").write_text("ref: refs/remotes/origin/trunk\n")
    assert project(read(path), "app").default_branch == "trunk"
    assert (
        project(read(write("projects: {app: {defaultBranch: dev}}")), "app").default_branch == "dev"
    )


def test_rules_are_what_is_written_then_the_rules_file(write: Write, repository: Path) -> None:
    path = write("projects: {app: {agentRules: ' Be ${kind}. ', agentRulesFile: more.md}}")
    with pytest.raises(ConfigProblems, match="the file cannot be read"):
        project(read(path), "app")
    (repository / "more.md").write_text("And brief.\n")
    assert project(read(path), "app").rules == "Be ${kind}.\n\nAnd brief."


def test_notes_are_routed_by_priority(write: Write) -> None:
    app = project(read(write("notificationRouting: {urgent: [desk]}\nprojects: {a: {}}")), "a")
    assert [one.alias for one in app.routing[Priority.URGENT]] == ["desk"]
    assert [one.alias for one in app.routing[Priority.INFO]] == ["lead"]


def test_a_plugin_from_a_file_has_a_name_of_its_own(write: Write, repository: Path) -> None:
    path = write(
        "plugins:\n"
        "  - {name: mine, slot: agent, path: ./mine.py:Mine}\n"
        "  - {name: off, slot: agent, path: ./off.py:Off, enabled: false}\n"
        "projects: {app: {tracker: other.py:Other}}\n"
    )
    app = project(read(path), "app")
    assert app.agent_choice("mine").name == f"{repository}/mine.py:Mine"
    assert app.agent_choice("off").name == "off"
    assert app.tracker.name == f"{repository}/other.py:Other"
    with pytest.raises(BadRequest, match="not in a call"):
        app.agent_choice("./evil.py:Evil")


def test_a_project_that_is_not_configured_is_unknown(write: Write) -> None:
    with pytest.raises(Unknown):
        project(read(write("projects: {app: {}}")), "apple")


def test_anchors_and_merge_keys_work_as_yaml_has_them(write: Write) -> None:
    loaded = read(
        write(
            "notifiers:\n"
            "  a: &a {plugin: x, one: 1, two: 2}\n"
            "  b: {<<: *a, two: 3}\n"
            "  c: {two: 4, <<: [*a, {three: 3}]}\n"
        )
    )
    assert {name: one.settings for name, one in loaded.settings.notifiers.items()} == {
        "a": {"one": 1, "two": 2},
        "b": {"one": 1, "two": 3},
        "c": {"one": 1, "two": 4, "three": 3},
    }
    assert "`<<` should name settings" in refused(write("env: {<<: x}"))[0]


def test_a_tree_without_a_main_checkout_is_configured_where_it_is(
    home: Path, tmp_path: Path
) -> None:
    private = tmp_path / "bare.git" / "worktrees" / "mine"
    private.mkdir(parents=True)
    (private / "commondir").write_text("../..\n")
    (tmp_path / "bare.git" / "refs/heads").mkdir(parents=True)
    (tmp_path / "bare.git" / "refs/heads/master").touch()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / ".git").write_text(f"gitdir: {private}\n")
    path = mine / "agent-orchestrator.yaml"
    path.write_text("projects: {app: {}}")
    assert find(mine, None, {}, home) == path
    assert project(read(path), "app").default_branch == "master"


def test_every_example_in_the_documents_loads(write: Write) -> None:
    text = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(examples) > 5
    for example in examples:
        assert read(write(example)).settings.model_fields_set


# -- what is the engine's own ---------------------------------------------------------------------


def own(home: Path, text: str) -> Settings:
    (home / "config.yaml").write_text(text)
    return engine_settings(home, {"HOME": "/nobody"})


def test_the_engine_reads_what_concerns_it_and_needs_no_clients_environment(home: Path) -> None:
    assert engine_settings(home, {}) == Settings()
    said = own(
        home,
        "env: {TOKEN: '${NOWHERE_SET}'}\n"
        "retention: {journal: 12h, snapshots: 90d, logs: 500KB, logFiles: 2}\n"
        "power: {preventIdleSleep: false}\n",
    )
    kept = said.retention
    assert (kept.journal, kept.snapshots) == (timedelta(hours=12), timedelta(days=90))
    assert (kept.logs, kept.log_files) == (500_000, 2)
    assert said.power.prevent_idle_sleep is False
    assert said.env == {}


def test_what_is_kept_for_ever_is_said_by_a_word(home: Path) -> None:
    assert own(home, "retention: {journal: never}\n").retention.journal is None
    defaults = Settings().retention
    assert (defaults.journal, defaults.snapshots) == (timedelta(days=30), None)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("journal: 30", "retention.journal: it should be a time such as 30d or 12h, or never"),
        ("journal: 0d", "retention.journal: it should be a time such as 30d or 12h, or never"),
        ("journal: 5m", "retention.journal: it should be a time such as 30d or 12h, or never"),
        ("journal:", "retention.journal: it should be a time such as 30d or 12h, or never"),
        ("logs: 5000000", "retention.logs: it should be a size such as 5MB, from 100KB to 1GB"),
        ("logs: 1KB", "retention.logs: it should be a size such as 5MB, from 100KB to 1GB"),
        ("logs: 90GB", "retention.logs: it should be a size such as 5MB, from 100KB to 1GB"),
        ("log_files: 0", "retention.log_files: it should be greater than or equal to 1"),
        (
            "jurnal: 1d",
            "retention.jurnal: there is no such setting (did you mean 'journal'?)",
        ),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(home: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigProblems) as caught:
        own(home, f"retention:\n  {line}\n")
    assert [str(one) for one in caught.value.problems] == [f"{home / 'config.yaml'}:2: {said}"]


def test_a_repository_has_no_say_in_what_the_home_keeps(write: Write, home: Path) -> None:
    (home / "config.yaml").write_text("retention: {journal: 60d}\n")
    loaded = read(write("retention: {journal: 1h}\npower: {prevent_idle_sleep: false}\n"), home)
    assert loaded.settings.retention.journal == timedelta(days=60)
    assert loaded.settings.power.prevent_idle_sleep is True
    said = "it has no effect here, only in the home's config.yaml"
    assert [(one.where, one.message) for one in loaded.warnings] == [
        ("retention", said),
        ("power", said),
    ]
