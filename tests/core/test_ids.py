"""Identifiers are checked once, and nothing dangerous passes."""

import re
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ao_core import ids
from ao_core.errors import BadId

Check = Callable[[str], str]
NASTY = [
    "",
    "../x-1",
    "a/../../etc",
    "$(touch x)-1",
    "`id`-1",
    "a'b\"-1",
    "app-1\n",
    "app\n-1",
    "\x1b[31mapp-1",
    "app-1\x00",
    "-rf",
    "\u202eapp-1",
    "\ud800-1",
    "x" * 1_000_000,
]
CHECKS: list[Check] = [
    ids.session_id,
    ids.project_id,
    ids.branch_name,
    ids.home_id,
    ids.record_id,
]


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("text", NASTY)
def test_nasty_names_are_refused(check: Check, text: str) -> None:
    if check is ids.branch_name and text in ("$(touch x)-1", "`id`-1", "a'b\"-1"):
        text += "\t"  # git allows these in a branch; they only ever travel in argv lists
    with pytest.raises(BadId):
        check(text)


@given(st.text(max_size=50) | st.from_regex(r"[a-z0-9_./-]{1,40}-?[0-9]{0,10}\n?", fullmatch=True))
@pytest.mark.parametrize("check", [ids.session_id, ids.project_id, ids.home_id, ids.record_id])
def test_what_passes_is_safe_anywhere(check: Check, text: str) -> None:
    try:
        passed = check(text)
    except BadId:
        return
    assert passed == text
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", passed)


@pytest.mark.parametrize("text", ["app-1", "a-b_c-999999999", "9-1", f"{'a' * 31}-7"])
def test_session_names_pass(text: str) -> None:
    assert ids.session_id(text) == text


@pytest.mark.parametrize("text", ["app", "app-0", "app-01", "App-1", f"{'a' * 32}-7", "-1", "a-1-"])
def test_other_shapes_are_no_sessions(text: str) -> None:
    with pytest.raises(BadId, match="session"):
        ids.session_id(text)


@pytest.mark.parametrize("text", [".", "..", "a.b", "a/b", "_a", "é", "a" * 65])
def test_projects_cannot_be_paths(text: str) -> None:
    with pytest.raises(BadId, match="project"):
        ids.project_id(text)


def test_an_error_quotes_little_and_only_escaped() -> None:
    with pytest.raises(BadId) as caught:
        ids.session_id("\x1b]0;é" + "x" * 1_000_000)
    assert len(caught.value.message) < 100
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert caught.value.hint


def _git_accepts(text: str) -> bool:
    command = ["git", "check-ref-format", "--branch", text]
    done = subprocess.run(command, cwd="/", capture_output=True, timeout=10, check=False)
    return done.returncode == 0


BRANCHY = st.text(st.sampled_from("ab1/.-_@{}~^:?*[]\\ lockHEAD"), min_size=1, max_size=12)
SUFFIXED = st.tuples(BRANCHY, st.sampled_from([".lock", "/", ".", ".lock/x", "@{1}"])).map("".join)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(BRANCHY | SUFFIXED | st.text(st.characters(codec="utf-8"), min_size=1, max_size=20))
@example("a.lock")
@example("a.lock/b")
@example("a/.b")
@example("a//b")
@example("@a")
@example("a@{b")
@example("-a")
@example("HEAD")
@example("a/HEAD")
def test_a_branch_passes_exactly_when_git_accepts_it(text: str) -> None:
    stricter = not text.isprintable() or text == "@"
    if "\x00" in text:
        return
    try:
        ids.branch_name(text)
    except BadId:
        assert stricter or not _git_accepts(text)
    else:
        assert _git_accepts(text)


@pytest.mark.parametrize("text", ["x" * 201, "é" * 101, "a\u202eb", "@"])
def test_branches_git_would_take_but_we_do_not(text: str) -> None:
    assert _git_accepts(text)
    with pytest.raises(BadId, match="branch"):
        ids.branch_name(text)


@pytest.mark.parametrize("text", ["3", "#12", "INT-1", "group/name#4", "a..b", "Ünïcode 7"])
def test_issue_ids_of_all_trackers_pass(text: str) -> None:
    assert ids.issue_id(text) == text


@pytest.mark.parametrize(
    "text", ["", " 3", "/etc/passwd", "../3", "a/../b", "a\\..\\b", "-x", ".git", "3\n", "x" * 201]
)
def test_issue_ids_that_mean_something_else_are_refused(text: str) -> None:
    with pytest.raises(BadId, match="issue"):
        ids.issue_id(text)


@pytest.mark.parametrize("text", ["", "a\nb", "\x1b[0m", "x" * 201, " a"])
def test_keys_are_one_short_printable_line(text: str) -> None:
    assert ids.request_key("deploy 7: do it") == "deploy 7: do it"
    with pytest.raises(BadId, match="key"):
        ids.request_key(text)


@given(st.text() | st.sampled_from(NASTY), st.integers(1, 60))
def test_a_slug_is_always_a_harmless_part(text: str, limit: int) -> None:
    made = ids.slug(text, limit)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", made)
    assert len(made) <= limit
    assert ids.slug(made, limit) == made


def test_a_slug_keeps_what_can_be_read() -> None:
    assert ids.slug("  Füge OAuth2 (Google) hinzu! ") == "fuge-oauth2-google-hinzu"
    assert ids.slug("漢字") == "x"


@pytest.mark.parametrize(
    ("folder", "prefix"),
    [
        ("app", "app"),
        ("Core", "core"),
        ("AgentOrchestrator", "ao"),
        ("agent-orchestrator", "ao"),
        ("my_little_tool", "mlt"),
        ("website", "web"),
        ("Website", "web"),
        ("my.site.example", "mse"),
        ("a-b", "ab"),
        ("-", "ao"),
        ("", "ao"),
        ("漢字漢字漢字", "ao"),
    ],
)
def test_a_prefix_is_short_and_telling(folder: str, prefix: str) -> None:
    assert ids.session_prefix(folder) == prefix


@given(st.text() | st.sampled_from(NASTY))
def test_every_folder_gives_a_prefix_that_names_sessions(folder: str) -> None:
    session = ids.session_id(f"{ids.session_prefix(folder)}-12")
    assert ids.session_number(session) == 12


def test_the_number_is_the_last_part() -> None:
    assert ids.session_number(ids.session_id("a-7-b-31")) == 31


def test_two_branches_for_one_session_differ() -> None:
    session = ids.session_id("app-1")
    made = {ids.new_branch(session) for _ in range(200)}
    assert len(made) == 200
    assert all(re.fullmatch(r"ao/app-1-[a-z2-7]{6}", name) for name in made)


def test_a_tracker_hint_gets_the_suffix_too() -> None:
    session = ids.session_id("app-1")
    assert re.fullmatch(r"feat/x-[a-z2-7]{6}", ids.new_branch(session, "feat/x"))
    for hint in ("../x", "-x", "x" * 199, "a b"):
        with pytest.raises(BadId):
            ids.new_branch(session, hint)


def test_refs_are_signed_by_their_home() -> None:
    home, session = ids.home_id("0123abcd"), ids.session_id("app-1")
    assert ids.snapshot_ref(home, session, 3) == "refs/ao/0123abcd/app-1/3"
    assert ids.train_ref(home, "train-1a-b") == "refs/ao/0123abcd/train/train-1a-b"
    with pytest.raises(BadId):
        ids.train_ref(home, "../heads/main")
    with pytest.raises(BadId):
        ids.snapshot_ref(home, session, -1)


def test_new_names_are_valid_unique_and_sorted_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ids.home_id(ids.new_home_id()) != ids.new_home_id()
    assert re.fullmatch(r"[0-9a-f]{32}", ids.new_token())
    assert len(ids.new_token(32)) == 64
    made: list[str] = []
    for second in (1_700_000_000, 1_700_000_001, 1_900_000_000):
        monkeypatch.setattr(time, "time_ns", lambda at=second: at * 10**9)
        made += [ids.new_id("msg"), ids.new_id("msg")]
    assert len(set(made)) == 6
    assert [name[:15] for name in sorted(made)] == [name[:15] for name in made]
    with pytest.raises(BadId):
        ids.new_id("../x")


def test_a_folder_hash_is_the_start_of_sha256() -> None:
    assert ids.folder_hash("/srv/app") == ids.folder_hash("/srv/app")
    assert ids.folder_hash("abc") == "ba7816bf8f01"
    assert ids.folder_hash("/srv/\udcff") != ids.folder_hash("/srv/app")


def test_importing_it_is_cheap() -> None:
    code = """if True:
        import sys
        before = set(sys.modules)
        import ao_core.ids
        print(*set(sys.modules) - before)"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=30, check=True)
    loaded = set(done.stdout.decode().split())
    assert "ao_core.ids" in loaded
    assert not loaded & {"anyio", "pydantic", "hashlib", "asyncio", "dataclasses", "psutil"}
