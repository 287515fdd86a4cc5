"""A person's rules: which is the first that is about a wish, and what is never allowed by one."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ao_core.drive.asking import wish_of
from ao_core.engine.policy import Wish, parse_command, within
from ao_core.engine.rules import decide
from ao_core.model.rule import Rule, Verdict

ALLOW, ASK, DENY = Verdict
QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with files, and with links that lead out of it and about it."""
    outside = tmp_path_factory.mktemp("outside")
    root = outside.with_name(f"{outside.name}-work") / "app"
    (root / "docs" / "deep").mkdir(parents=True)
    (root / "src").mkdir()
    (root / "out").symlink_to(outside)
    (root / "docs" / "code").symlink_to("../src")
    return root


def a_rule(says: Verdict, *command: str, tool: str | None = None, path: str | None = None) -> Rule:
    return Rule(says, tool, command, path)


def line(text: str) -> Wish:
    """As an agent asks to run it."""
    return wish_of({"toolCall": {"kind": "execute", "rawInput": {"command": text}}})


def ruled(place: Path, wish: Wish, *rules: Rule) -> Verdict | None:
    found = decide(rules, wish, place)
    return found.verdict if found else None


PUSH = a_rule(DENY, "git", "push")

# -- what denies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "git push", "git push origin main", "/usr/bin/git push", "GIT push", "make test && git push",
    "ls; git push", "ls | git push", "ls & git push", "ls\ngit push", "(cd x && git push)",
    "if true; then git push; fi", "! git push", "{ git push; }", "A=b git push", "sudo git push",
    "env A=b git push", "timeout 5 git push", "xargs git push", "time -p git push",
    "sh -c 'git push'", "bash -lc 'ls; git push'", "sudo sh -c 'git push'", "env -S 'git push'",
    "g''it pu\"sh\"", "git push >x", "2>x git push", "case a in a) git push;; esac",
    "f() { git push; }", "nohup bash -c \"sh -c 'git push'\"", "git push; $(x)",
])  # fmt: skip
def test_what_is_denied_is_found_in_every_part_of_a_command(place: Path, text: str) -> None:
    assert ruled(place, line(text), PUSH) is DENY


@pytest.mark.parametrize("text", [
    "$GIT push", "git $X", "git pu*", "git {push,x}", "$(git push)", "ls `git push`", "ls <(x)",
    "eval git push", ". x", "source x", "sh x", "echo git push | sh", "bash", "sh -c \"$X\"",
    "git -C x push", "git -c a=b push", "git --git-dir x push", "sh -c 'git \"$@\"' _ push",
    "cat <<E\ngit push\nE", "git 'push", "alias x='git push'; x", "function f { git push; }",
    "x" * 9_000,
])  # fmt: skip
def test_where_nobody_can_tell_somebody_is_asked(place: Path, text: str) -> None:
    found = decide([PUSH, a_rule(ALLOW, tool="*")], line(text), place)
    assert found is not None
    assert (found.verdict, found.stands) == (ASK, True)


@pytest.mark.parametrize("text", [
    "git status", "git stash push", "git pull", "git commit -m 'git push'", "echo git push",
    "make push", "git log --grep push", "sh -c 'make; git status'", "gitpush", "git",
    "ls | grep 'git push' && make",
])  # fmt: skip
def test_what_is_another_command_is_not_denied(place: Path, text: str) -> None:
    assert ruled(place, line(text), PUSH) is None


@pytest.mark.parametrize("raw", [
    {"command": ["git", "push"]}, {"command": ["bash", "-lc", "ls && git push"]},
    {"command": "git", "args": ["push"]},
])  # fmt: skip
def test_a_command_in_words_is_denied_as_well(place: Path, raw: dict[str, object]) -> None:
    assert ruled(place, wish_of({"toolCall": {"kind": "execute", "rawInput": raw}}), PUSH) is DENY


@pytest.mark.parametrize("call", [
    {"kind": "execute"}, {"kind": "execute", "rawInput": "git push"},
    {"kind": "other", "rawInput": 5},
    {"kind": "execute", "rawInput": {"command": "ls", "argv": ["git", "push"]}},
    {"kind": "execute", "rawInput": {"command": "ls", "cmd": "git push"}},
    {"kind": "execute", "rawInput": {"command": 5, "args": ["git", "push"]}},
    {"kind": "read", "rawInput": {"command": "ls", "x": 1}},
])  # fmt: skip
def test_a_command_that_is_not_told_plainly_may_be_the_one(
    place: Path, call: dict[str, object]
) -> None:
    assert ruled(place, wish_of({"toolCall": call}), PUSH) is ASK


def test_what_runs_nothing_is_no_command(place: Path) -> None:
    assert ruled(place, Wish("edit", "git push"), PUSH) is None
    assert (
        ruled(place, wish_of({"toolCall": {"kind": "fetch", "rawInput": {"url": "x"}}}), PUSH)
        is None
    )


@pytest.mark.parametrize(
    ("tool", "wish"),
    [
        ("run", Wish("run", None, ("ls",))),
        ("bash", Wish("run", None, ("ls",))),
        ("Bash", Wish("run", None, ("ls",), called="Bash")),
        ("mcp__*", Wish("other", clear=False, called="mcp__x__y")),
        ("mcp__*", Wish("other", clear=False, title="mcp__x__y")),
        ("write", Wish("edit", "a")),
        ("*", Wish("think")),
    ],
)
def test_a_tool_is_denied_by_each_of_its_names(place: Path, tool: str, wish: Wish) -> None:
    assert ruled(place, wish, a_rule(DENY, tool=tool)) is DENY


def test_a_tool_that_says_its_name_is_not_taken_for_another_of_its_kind(place: Path) -> None:
    search = Wish("fetch", clear=False, called="WebSearch")
    assert ruled(place, search, a_rule(DENY, tool="WebFetch")) is None


@pytest.mark.parametrize("path", [
    "docs/a.md", "./docs/a.md", "src/../docs/a", "docs", "DOCS/a", "docs/deep/x", "docs/code/x",
])  # fmt: skip
@pytest.mark.parametrize("glob", ["docs/**", "docs", "d?cs/**"])
def test_a_path_that_is_denied_is_denied_however_it_is_written(
    place: Path, path: str, glob: str
) -> None:
    rule = a_rule(DENY, path=glob)
    assert ruled(place, Wish("edit", path), rule) is DENY
    assert ruled(place, Wish("edit", "src/a", also=("src/b", path)), rule) is DENY
    assert ruled(place, Wish("edit", str(place / path)), rule) is DENY
    assert ruled(place, line(f"ls {path}"), rule) is DENY
    assert ruled(place, line(f"ls >{path}; ls"), rule) is DENY


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("**/.env", ".env", True), ("**/.env", "a/b/.env", True), ("**/.env", "a.env", False),
        ("*.md", "a.md", True), ("*.md", "docs/a.md", False), ("docs/*", "docs/a/b", False),
        ("docs/**", "docs/a/b", True), ("docs/**", "docs2/a", False), ("a/**/b", "a/b", True),
        ("a/**/b", "a/c/d/b", True), ("a/**/b", "ab", False), ("a?", "ab", True),
        ("a?", "a/", False), ("a[b]", "a[b]", True), ("a[b]", "ab", False), ("a.b", "axb", False),
    ],
)  # fmt: skip
def test_a_pattern_is_about_these_paths(place: Path, glob: str, path: str, fits: bool) -> None:
    rule = a_rule(ALLOW, tool="edit", path=glob)
    assert ruled(place, Wish("edit", path), rule) is (ALLOW if fits else None)


@pytest.mark.parametrize("text", [
    "cd docs2 && cat x", "cat d*", "cat $X", "tar --file=docs/x", "ls .",
    "git commit -m 'docs/a b'", "cat `x`", "x " * 400, "x -" + "x" * 2_000,
])  # fmt: skip
def test_a_command_that_may_name_a_path_is_asked_about(place: Path, text: str) -> None:
    assert ruled(place, line(text), a_rule(DENY, path="docs/**")) is ASK


def test_what_names_other_paths_is_not_denied(place: Path) -> None:
    rule = a_rule(DENY, path="docs/**")
    for wish in (
        Wish("edit", "src/a"),
        Wish("edit", "/docs/a"),
        line("cat src/a docs2"),
        Wish("think"),
    ):
        assert ruled(place, wish, rule) is None
    assert ruled(place, Wish("edit", clear=False), rule) is ASK


@pytest.mark.parametrize("path", ["/etc/passwd", "..", "out/x", "docs/../../x"])
def test_what_leads_out_is_denied(place: Path, path: str) -> None:
    rule = a_rule(DENY, path="outside")
    assert ruled(place, Wish("read", path), rule) is DENY
    assert ruled(place, Wish("read", "a", also=(path,)), rule) is DENY
    assert ruled(place, Wish("run", "..", ("ls",), folder=".."), rule) is DENY
    assert ruled(place, line(f"cat {path}"), rule) is DENY
    assert ruled(place, line(f"make A=src,{path}"), rule) in (ASK, DENY)
    assert ruled(place, Wish("read", "~/x"), rule) is ASK
    assert ruled(place, Wish("read", "docs/a"), rule) is None
    assert ruled(place, line("cat docs/a"), rule) is None


# -- what allows -----------------------------------------------------------------------------------


def test_a_command_is_allowed_word_by_word(place: Path) -> None:
    rule = a_rule(ALLOW, "npm", "test")
    for text in ("npm test", "npm test -- a /etc/x"):
        assert ruled(place, line(text), rule) is ALLOW
    for text in ("npm", "npm tests", "/x/npm test", "A=b npm test", "npx npm test", "NPM test"):
        assert ruled(place, line(text), rule) is None


@pytest.mark.parametrize("text", [
    "npm test; x", "npm test && x", "npm test | x", "npm test > x", "npm test $X", "npm test `x`",
    "npm test $(x)", "npm test\nx", "npm test &", "npm test *", "npm test 'a", "npm test '$(x)'",
    "npm test ';x'",
])  # fmt: skip
@pytest.mark.parametrize("rule", [a_rule(ALLOW, "npm", "test"), a_rule(ALLOW, tool="*")])
def test_what_only_a_shell_understands_is_never_allowed(place: Path, text: str, rule: Rule) -> None:
    assert ruled(place, line(text), rule) is None


def test_what_is_not_clear_is_never_allowed(place: Path) -> None:
    for wish in (Wish("edit", "a", clear=False), Wish("run", None, ("ls",), clear=False)):
        assert ruled(place, wish, a_rule(ALLOW, tool="*")) is None


@pytest.mark.parametrize("text", [
    "cat /etc/x", "cat a ../x", "cat out/x", "cat -n/etc/x", "cat --file=out/x", "cat ~/x",
])  # fmt: skip
def test_a_command_that_may_lead_out_is_not_allowed_inside(place: Path, text: str) -> None:
    for rule in (a_rule(ALLOW, "cat", path="inside"), a_rule(ALLOW, tool="run", path="inside")):
        assert ruled(place, line(text), rule) is None
        assert ruled(place, line("cat docs/a -n"), rule) is ALLOW


def test_every_path_that_is_named_has_to_be_covered(place: Path) -> None:
    rule = a_rule(ALLOW, tool="edit", path="docs/**")
    assert ruled(place, Wish("edit", "docs/a", also=("docs/a", "docs/deep/b")), rule) is ALLOW
    for wish in (
        Wish("edit", "docs/a", also=("src/b",)), Wish("edit", "docs/a", also=("/etc/x",)),
        Wish("edit", "docs/code/x"), Wish("edit", "docs/../src/x"), Wish("edit"),
        Wish("edit", "docs/a", folder="src"), Wish("edit", "DOCS/a"), Wish("delete", "docs/a"),
    ):  # fmt: skip
        assert ruled(place, wish, rule) is None
    inside = a_rule(ALLOW, "cat", path="inside")
    led = Wish("run", None, ("cat", "a"), also=("/etc/x",))
    assert ruled(place, led, inside) is None
    assert ruled(place, Wish("run", "..", ("cat", "a"), folder=".."), inside) is None


def test_a_harmless_command_does_not_carry_a_path_along(place: Path) -> None:
    wish = Wish("write", "/etc/passwd", ("git", "status"))
    assert ruled(place, wish, a_rule(ALLOW, "git", "status"), a_rule(ALLOW, tool="write")) is None


def test_what_is_not_the_projects_own_has_to_be_named(place: Path) -> None:
    for glob in ("inside", "**", ".g*/**"):
        rule = a_rule(ALLOW, tool="edit", path=glob)
        for path in (".git/hooks/x", ".GIT/x", ".ao/x", "docs/.git/x", "."):
            assert ruled(place, Wish("edit", path), rule) is None
    assert (
        ruled(place, Wish("edit", ".git/info"), a_rule(ALLOW, tool="edit", path=".git/*")) is ALLOW
    )
    assert ruled(place, Wish("read", ".git/x"), a_rule(ALLOW, tool="read", path="inside")) is ALLOW


def test_outside_may_be_read_where_that_is_said(place: Path) -> None:
    rule = a_rule(ALLOW, tool="read", path="outside")
    assert ruled(place, Wish("read", "/etc/hosts"), rule) is ALLOW
    for wish in (Wish("read", "docs/a"), Wish("read", "/etc/hosts", also=("docs/a",)),
                 Wish("read", "~/x"), Wish("edit", "/etc/hosts")):  # fmt: skip
        assert ruled(place, wish, rule) is None


def test_a_path_alone_allows_no_command(place: Path) -> None:
    assert ruled(place, line("ls docs"), a_rule(ALLOW, path="inside")) is None


def test_words_that_may_be_a_models_allow_nothing(place: Path) -> None:
    told = Wish("other", "a", title="mcp__safe")
    assert ruled(place, told, a_rule(ALLOW, tool="mcp__safe")) is None
    called = Wish("other", "a", called="mcp__safe")
    assert ruled(place, called, a_rule(ALLOW, tool="mcp__safe")) is ALLOW


def test_git_does_no_more_than_the_command(place: Path) -> None:
    rule = a_rule(ALLOW, "git", "log")
    assert ruled(place, line("git log -p"), rule) is ALLOW
    assert ruled(place, line("git log --output=x"), rule) is None


# -- which of them ---------------------------------------------------------------------------------


def test_the_first_that_fits_decides(place: Path) -> None:
    narrow, wide = a_rule(ALLOW, "git", "push", "fork"), a_rule(ASK, "git")
    rules = (narrow, PUSH, wide)
    assert [ruled(place, line(text), *rules) for text in (
        "git push fork", "git push", "git pull", "ls",
    )] == [ALLOW, DENY, ASK, None]  # fmt: skip
    assert ruled(place, line("ls; git push fork"), *rules) is DENY


def test_what_may_be_denied_by_one_and_is_by_the_next_is_denied(place: Path) -> None:
    wish = line("git $X; rm a")
    assert ruled(place, wish, PUSH, a_rule(DENY, "rm")) is DENY
    assert ruled(place, wish, PUSH, a_rule(ASK, "rm")) is ASK


def test_a_ruling_names_its_rule(place: Path) -> None:
    rule = Rule(DENY, None, ("git", "push"), None, "rule 2 of the project")
    found = decide([rule], line("git push"), place)
    assert found is not None
    assert found.rule == "rule 2 of the project: deny git push"
    assert found.stands


WORDS = st.sampled_from([
    "git", "push", "npm", "test", ";", "&&", "|", "$X", "$(git", "push)", "sh", "-c", "'git push'",
    "sudo", "-C", "/etc/x", "../x", "docs/a", "out/x", ">", "A=b", "\"", "\\", "{", "}", "*", "`",
])  # fmt: skip


@QUIET
@given(words=st.lists(WORDS, max_size=6))
def test_what_a_rule_allows_is_plain_inside_and_begins_so(place: Path, words: list[str]) -> None:
    text = " ".join(words)
    if ruled(place, line(text), a_rule(ALLOW, "npm", "test", path="inside")) is not ALLOW:
        return
    argv = parse_command(text)
    assert argv[:2] == ("npm", "test")
    assert all(within(word, place) is not None for word in argv)


@QUIET
@given(words=st.lists(WORDS, max_size=6))
def test_what_names_both_words_is_never_allowed_past_a_rule_that_denies_it(
    place: Path, words: list[str]
) -> None:
    text = " ".join([*words, "&& git push"])
    assert ruled(place, line(text), PUSH, a_rule(ALLOW, tool="*")) in (DENY, ASK)
    assert ruled(place, line(f"git push; {text}"), PUSH, a_rule(ALLOW, tool="*")) is DENY
