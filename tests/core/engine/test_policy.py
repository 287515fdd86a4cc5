"""What a worker may do unasked, and every way out of its workspace that we could think of."""

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ao_core.engine.policy import Wish, judge, parse_command, within
from ao_core.model.rule import Verdict
from ao_core.model.session import PermissionMode

ALLOW, ASK = Verdict.ALLOW, Verdict.ASK
DEFAULT, SUGGEST = PermissionMode.DEFAULT, PermissionMode.SUGGEST
EDITING = [PermissionMode.DEFAULT, PermissionMode.AUTO_EDIT]
ASKING = [*EDITING, SUGGEST]
TESTS = (("make", "test"), ("sh", "-c", "a && b"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with files, and with links that lead out of it."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "secret").write_text("s")
    root = outside.with_name(f"{outside.name}-work") / "app"
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("a")
    (root / "secret").symlink_to(outside / "secret")
    (root / "out").symlink_to(outside)
    (root / "inner").symlink_to("src")
    (root / "round").symlink_to("round")
    (root / "src" / "up").symlink_to("../../..")
    return root


def ruled(
    place: Path, mode: PermissionMode, tool: str, path: str | None = None, *command: str
) -> Verdict:
    return judge(Wish(tool, path, command), place, mode, TESTS).verdict


def run(place: Path, text: str, mode: PermissionMode = DEFAULT) -> Verdict:
    return ruled(place, mode, "bash", None, *shlex.split(text))


INSIDE = ["src/a.py", "./src/../src/a.py", "new/deep/file", "inner/a.py", "a b", "src/$id.tsx", "…"]
OUTSIDE = [
    "..", "../x", "src/../../x", "/etc/passwd", "/", "~", "~/.ssh/id_rsa", "~root/x", "secret",
    "out", "out/secret", "src/up/x", "round", "round/x", "a\0b", "/etc/passwd\0", "file:///etc/x",
    "https://example.com/x", "\ud800/x", "inner/../../x",
]  # fmt: skip


@pytest.mark.parametrize("path", INSIDE)
@pytest.mark.parametrize("tool", ["read", "Read", "list", "search", "glob", "grep"])
def test_what_is_inside_may_be_read(place: Path, tool: str, path: str) -> None:
    assert [ruled(place, mode, tool, path) for mode in ASKING] == [ALLOW] * 3


@pytest.mark.parametrize("path", INSIDE)
@pytest.mark.parametrize("tool", ["edit", "write", "create", "delete"])
def test_what_is_inside_may_be_edited_but_by_one_who_only_suggests(
    place: Path, tool: str, path: str
) -> None:
    assert [ruled(place, mode, tool, path) for mode in EDITING] == [ALLOW] * 2
    assert ruled(place, SUGGEST, tool, path) is ASK


@pytest.mark.parametrize("path", OUTSIDE)
@pytest.mark.parametrize("tool", ["read", "grep", "edit", "write", "delete"])
def test_nothing_outside_is_touched_unasked(place: Path, tool: str, path: str) -> None:
    assert [ruled(place, mode, tool, path) for mode in ASKING] == [ASK] * 3
    assert within(path, place) is None


def test_an_absolute_path_inside_is_inside(place: Path) -> None:
    assert ruled(place, DEFAULT, "edit", str(place / "src" / "a.py")) is ALLOW
    assert ruled(place, DEFAULT, "edit", f"{place}-evil/x") is ASK


def test_a_workspace_reached_through_a_link_is_the_same_workspace(
    place: Path, tmp_path: Path
) -> None:
    (tmp_path / "link").symlink_to(place)
    assert within("src/a.py", tmp_path / "link") == Path("src/a.py")
    assert within(str(place / "src/a.py"), tmp_path / "link") == Path("src/a.py")


@pytest.mark.parametrize(
    "path", [".git", ".git/hooks/pre-commit", ".GIT/config", "src/.git/config", ".ao/x", "", "."]
)
def test_what_is_not_the_projects_own_is_not_edited_unasked(place: Path, path: str) -> None:
    assert [ruled(place, mode, "write", path) for mode in EDITING] == [ASK] * 2


@pytest.mark.parametrize("tool", ["move", "bash", "websearch", "mcp__x__read", "", "notebookedit"])
def test_an_unknown_tool_is_asked_about(place: Path, tool: str) -> None:
    assert [ruled(place, mode, tool, "src/a.py") for mode in ASKING] == [ASK] * 3
    assert ruled(place, DEFAULT, "read") is ASK


def test_a_permissionless_session_is_asked_nothing(place: Path) -> None:
    mode = PermissionMode.PERMISSIONLESS
    assert ruled(place, mode, "write", "/etc/passwd") is ALLOW
    assert ruled(place, mode, "bash", None, "rm", "-rf", "/") is ALLOW


def test_a_harmless_command_does_not_carry_a_path_along(place: Path) -> None:
    assert ruled(place, DEFAULT, "write", "/etc/passwd", "git", "status") is ASK


LOOKING = [
    "git status", "git status --porcelain=v2 -z", "git diff", "git diff HEAD~1 -- src/a.py",
    "git diff main...HEAD --stat", "git log --oneline -5", "git log -p --since=2.weeks inner",
    "git show HEAD:src/a.py", "git branch --show-current", "ls", "ls -la src", "pwd",
    "cat src/a.py inner/a.py", "make test", "make test -j4 ONLY=src/a.py", "sh -c 'a && b'",
]  # fmt: skip
KEEPING = [
    "git add -A", "git add src/a.py", "git commit -m 'fix: a, b (c) & d > e'",
    "git commit -am 'see /api and ../x'", "git commit --author='A <a@b.c>' -m 'x: y'",
]  # fmt: skip


@pytest.mark.parametrize("text", LOOKING)
def test_looking_and_the_projects_own_commands_are_allowed(place: Path, text: str) -> None:
    assert [run(place, text, mode) for mode in ASKING] == [ALLOW] * 3


@pytest.mark.parametrize("text", KEEPING)
def test_commits_are_allowed_but_to_one_who_only_suggests(place: Path, text: str) -> None:
    assert [run(place, text, mode) for mode in ASKING] == [ALLOW, ALLOW, ASK]


ESCAPES = [
    # unknown commands, and known ones in disguise
    "rm -rf src", "sh", "sh -c 'git status'", "bash -lc ls", "env git status", "./git status",
    "/usr/bin/git status", "FOO=bar git status", "GIT_EXTERNAL_DIFF=x git diff", "'git status'",
    "git", "git push", "git checkout .", "git config alias.status '!x'", "git st", "make",
    "make testify", "make deploy", "cats x", "sh -c 'a && b; c'",
    # options before git's command
    "git -C /x status", "git -C src status", "git -c core.pager=x log", "git --git-dir=/x log",
    "git --work-tree /x status", "git --exec-path=/x status", "git -p log",
    # options that write files or run what is configured
    "git diff --output=x", "git diff --output x", "git log --output=.git/hooks/pre-commit",
    "git show --output-directory x", "git show --ext-diff", "git log --ext-diff -p",
    "git diff --textconv", "git log --textconv",
    # what would undo `--show-current`
    "git branch", "git branch x", "git branch --show-current x",
    "git branch --show-current --no-show-current -D main",
    # paths, in every dress
    "cat /etc/passwd", "cat ../x", "cat ~/.ssh/id_rsa", "cat ~", "cat secret", "cat out/secret",
    "cat src/a.py /etc/passwd", "cat -- /etc/passwd", "cat -n/etc/passwd", "cat src/up/x", "ls /",
    "ls out", "ls ..", "ls -a ..", "git diff --no-index /etc/passwd src/a.py",
    "git diff --no-index secret src/a.py", "git diff -- /etc/passwd /etc/group",
    "git diff -O/etc/passwd", "git add /etc/passwd", "git add --pathspec-from-file=/etc/passwd",
    "git add --pathspec-from-file ../x", "git commit -F /etc/passwd", "git commit -F/etc/passwd",
    "git commit -F../x", "git commit -Fsecret", "git commit -aFsecret", "git commit -F secret",
    "git commit --file=secret", "git commit --template=~/x", "git commit -qF/etc/passwd",
    "make test -C /x", "make test -C/x", "make test -C..", "make test -kC..", "make test -f=/x",
    "make test A=/x", "make test A=B=/x", "make test A=~/x", "make test A=src,/x", "make test @/x",
    "make test a:/x", "make test --flags=--output=/x", "make test -o/x", "make test -vo/x",
    "make test A=secret,src", "make test https://example.com",
    # words that mean something to a shell only
    "git status && rm -rf x", "git status ; x", "git log | sh", "cat < x", "git log > x",
    "git log 2>&1", "git log >x", "cat '$(x)'", "cat '`x`'", "git status &",
]  # fmt: skip


@pytest.mark.parametrize("text", ESCAPES)
def test_a_way_out_is_asked_about(place: Path, text: str) -> None:
    assert [run(place, text, mode) for mode in ASKING] == [ASK] * 3


@pytest.mark.parametrize("word", ["a\0b", "\0", "\ud800", "x" * 1_001, "", "/"])
def test_an_odd_word_is_asked_about_and_breaks_nothing(place: Path, word: str) -> None:
    expected = ALLOW if word == "" else ASK
    assert ruled(place, DEFAULT, "bash", None, "cat", word) is expected
    assert ruled(place, DEFAULT, "bash", None, word) is ASK


def test_without_commands_of_its_own_a_project_allows_only_the_usual(place: Path) -> None:
    wish = Wish("bash", None, ("make", "test"))
    assert judge(wish, place, DEFAULT).verdict is ASK
    assert judge(wish, place, DEFAULT, [()]).verdict is ASK


@pytest.mark.parametrize("text", [
    "a; b", "a && b", "a | b", "a > b", "a < b", "`a`", "$(a)", "$HOME", "(a)", "{a,b}", "a\nb",
    "ls *", "ls ?", "ls [ab]", "a # b", "!a", "a 'b", 'a "b', "a \\",
    "a \\'; b \\'", 'a "$b"', "a 'b'*",
])  # fmt: skip
def test_what_only_a_shell_understands_is_no_command(text: str) -> None:
    assert parse_command(text) == ()


def test_a_plain_command_line_is_taken_apart() -> None:
    assert parse_command("git commit -m 'a b' \"c d\" e\\ f") == (
        "git", "commit", "-m", "a b", "c d", "e f",
    )  # fmt: skip
    assert parse_command("") == ()
    asked = ("ao", "ask", "which way? a; b", "#2")
    assert parse_command("ao ask 'which way? a; b' \"#2\"") == asked


BASH = "/bin/bash"


@settings(max_examples=60, deadline=None)
@given(st.text("ab ''\"\"\\\t-=/.é?*;#$", min_size=1, max_size=12))
def test_a_shell_takes_the_words_for_the_same(text: str) -> None:
    words = parse_command(text)
    if words:
        script = f"printf '%s\\0' {text}"
        told = subprocess.run([BASH, "-c", script], capture_output=True, check=True, timeout=10)
        assert told.stdout.decode().split("\0")[:-1] == list(words)


PIECES = st.sampled_from([
    "..", ".", "/", "~", "src", "out", "secret", "up", "inner", "a.py", "etc", "-", "--", "=", ":",
    ",", "@", "o", "C", "--output", "x",
])  # fmt: skip
WORDS = st.lists(PIECES, max_size=6).map("".join)
QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def leads_out(place: Path, path: str) -> bool:
    """What the file system itself says."""
    return not (place / path).resolve().is_relative_to(place)


@QUIET
@given(path=WORDS)
def test_no_path_that_leads_out_is_allowed(place: Path, path: str) -> None:
    if leads_out(place, path) or path.startswith("~"):
        assert ruled(place, DEFAULT, "read", path) is ASK
    elif "://" not in path:
        assert ruled(place, DEFAULT, "read", path) is ALLOW


@QUIET
@given(words=st.lists(WORDS, max_size=3), start=st.sampled_from([("cat",), ("make", "test")]))
def test_no_word_that_can_be_read_as_a_path_out_is_allowed(
    place: Path, words: Sequence[str], start: tuple[str, ...]
) -> None:
    if ruled(place, DEFAULT, "bash", None, *start, *words) is not ALLOW:
        return
    for word in words:
        assert not leads_out(place, word)
        assert not leads_out(place, word.rpartition("=")[2])
        if word.startswith("-") and not word.startswith("--"):
            assert not leads_out(place, word[2:])


@QUIET
@given(st.lists(st.text(max_size=8), max_size=4).map(tuple))
def test_no_unknown_command_is_allowed(place: Path, words: tuple[str, ...]) -> None:
    if words[:1] not in [("ls",), ("pwd",), ("cat",), ("git",), ("make",), ("sh",)]:
        assert ruled(place, DEFAULT, "bash", None, *words) is ASK
