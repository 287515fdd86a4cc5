"""What a line for a shell is made of, as far as that is sure."""

import re
import shlex
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ao_core.engine.commands import Hit, starts
from ao_core.engine.shell import Word, bare, plain, taken_apart

BASH = "/bin/bash"
_TELLING = r"""
a() { printf '<'; for word in "$@"; do printf '%s\0' "$word"; done; printf '>\1'; }
b() { a "$@"; }
set -r
"""  # nothing can be written from then on


def parts(line: str) -> list[list[str]]:
    return [[word.text if word.sure else f"{word.text}?" for word in part]
            for part in taken_apart(line).parts]  # fmt: skip


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("git push", [["git", "push"]]),
        ("a; b && c || d | e & f\ng", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"], ["g"]]),
        ("(a; b)", [["a"], ["b"]]),
        ("a 'b; c' \"d && e\" f\\;g", [["a", "b; c", "d && e", "f;g"]]),
        ("g'i't \"pu\"sh", [["git", "push"]]),
        ("a >out 2>&1 <in b", [["a", "b"]]),
        ("a2>out", [["a2"]]),
        ("a # b; c\nd", [["a"], ["d"]]),
        ("a#b", [["a#b"]]),
        ("a $B \"c $D\" e*", [["a", "$B?", "c $D?", "e*?"]]),
        ("a{b,c} {d", [["a{b,c}?", "{d?"]]),
        ("[ -f a ]", [["[", "-f", "a", "]"]]),
        ("a \\\n b", [["a", "b"]]),
    ],
)  # fmt: skip
def test_a_line_is_taken_apart_into_its_commands(line: str, expected: list[list[str]]) -> None:
    assert parts(line) == expected
    assert taken_apart(line).whole


@pytest.mark.parametrize("line", [
    "a $(b)", "a `b`", "a \"$(b)\"", "a <(b)", "a >(b)", "cat <<E\nb\nE", "a <<<b", "a 'b", 'a "b',
    "a $'b'", 'a $"b"', "function f { a; }", "", "  ", "a\0b", "a" * 9_000, "a " * 1_500,
])  # fmt: skip
def test_of_what_it_does_not_know_it_says_so(line: str) -> None:
    assert not taken_apart(line).whole


def test_where_output_goes_is_a_word_but_none_of_the_command() -> None:
    found = taken_apart("a b >c")
    assert [word.text for word in found.words] == ["a", "b", "c"]


def test_what_stands_before_a_command_is_none_of_it() -> None:
    (part,) = plain(["!", "if", "A=b", "B[1]+=c", "git", "A=b"]).parts
    assert [word.text for word in bare(part)] == ["git", "A=b"]
    assert bare([Word("A=b")]) == ()


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text("ab ;&|<'\"\\$`(){}*?[]#!~=\n\t-", max_size=6), min_size=1, max_size=4))
def test_quoted_words_are_what_they_were(words: list[str]) -> None:
    (part,) = taken_apart(shlex.join(["x", *words])).parts
    assert [word.text for word in part] == ["x", *words]
    assert all(word.sure for word in part)


@settings(max_examples=150, deadline=None)
@given(st.text("ab ;&|<'\"\\$*?[{}#-\n", min_size=1, max_size=14))
def test_a_shell_starts_nothing_else(line: str) -> None:
    """Every word that is sure comes out of one as it is; `a` and `b` tell what they are given."""
    script = taken_apart(line)
    if not script.whole or not all(word.sure for word in script.words):
        return
    done = subprocess.run(
        [BASH, "-c", f"{_TELLING}{line}"], capture_output=True, check=False, timeout=10,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    said = re.findall("<([^>]*)>\1", done.stdout.decode())
    known = [[word.text for word in bare(part)][1:] for part in script.parts]
    assert all(words.split("\0")[:-1] in known for words in said)


PIECES = st.sampled_from([
    "a", "b", " ", " ", ";", "&&", "|", "&", "\n", "(", ")", "{", "}", "{ ", "; }", "'", '"', "\\",
    "$", "a b", "a=b", "!", "if ", "then ", "fi", "# ", "command ", "eval ", "<x", "2<&1", "*", "[",
    "$(", "`", "x=a;", "$x", "for x in a;do ", "done", "while a;do ", "b()", "time ", "-p ",
    "case a in ", "a)", ";;", "esac", "function ", "$'", "exec ", "builtin ", "~", "<<<",
    "=", "-", ",",
])  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(PIECES, min_size=1, max_size=9).map("".join))
def test_no_shell_starts_what_was_not_seen(line: str) -> None:
    done = subprocess.run(
        [BASH, "-c", f"{_TELLING}{line}"], capture_output=True, check=False, timeout=10,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if b"<b\0" in done.stdout:
        assert starts(taken_apart(line), ("a", "b")) is not Hit.NO
