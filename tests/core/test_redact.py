"""Secrets go out of text, and so does what a terminal would obey."""

import io
import json
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ao_core.redact import RedactingFilter, Redactor, looks_secret, scrub, visible

TAIL = "A1b2C3d4E5f6G7h8I9j0" * 2
SECRETS = [
    f"ghp_{TAIL}",
    f"github_pat_11AA_{TAIL}",
    f"glpat-{TAIL}",
    f"lin_api_{TAIL}",
    f"lin_oauth_{TAIL}",
    f"xoxb-123-{TAIL}",
    f"sk-ant-api03-{TAIL}",
    "AKIAIOSFODNN7EXAMPLE",
    f"AIza{TAIL}",
    f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{TAIL}",
    f"-----BEGIN RSA PRIVATE KEY-----\n{TAIL}\n{TAIL}\n-----END RSA PRIVATE KEY-----",
    f"-----BEGIN PRIVATE KEY-----\n{TAIL}",
]
LED = [
    ("https://", f"me:{TAIL}", "@example.com/x.git"),
    ("postgres://", "me:p@ss:word", "@db/x"),
    ("Authorization: Bearer ", TAIL, " next"),
    ('{"authorization": "token ', TAIL, '"}'),
    ("authorization=", TAIL, ""),
    ("curl -H 'PRIVATE-TOKEN: ", TAIL, "' x"),
    ("it sent bearer ", TAIL, "!"),
]
HARMLESS = [
    "task-runner-for-everything-else",
    "sk-learn-is-a-library-and-no-key",
    "see https://example.com/a:b/c@d",
    "mail me@example.com",
    "the bearer of this letter is a friend",
    "ask for Authorization: none",
    "3f786850e387550fdab836ed7e6dc881de23001b",
    "ao/app-1-abcdef",
]


@pytest.mark.parametrize("secret", SECRETS)
def test_what_has_the_shape_of_a_secret_goes(secret: str) -> None:
    assert looks_secret(f"x={secret}")
    cleaned = Redactor().clean(f"key={secret}\nrest" if secret.endswith("-----") else secret)
    assert "[redacted]" in cleaned
    assert TAIL[:12] not in cleaned
    assert secret not in cleaned


@pytest.mark.parametrize(("before", "secret", "after"), LED)
def test_what_stands_around_a_secret_stays(before: str, secret: str, after: str) -> None:
    assert looks_secret(before + secret + after)
    assert scrub(before + secret + after) == f"{before}[redacted]{after}"


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays(text: str) -> None:
    assert not looks_secret(text)
    assert Redactor().clean(text) == text


def test_learned_values_go_and_short_ones_are_not_learned() -> None:
    redactor = Redactor()
    redactor.learn("correct horse")
    redactor.learn("correct horse battery")
    redactor.learn("short")
    redactor.learn("")
    assert redactor.clean("a correct horse battery b short") == "a [redacted] b short"


def test_a_learned_value_goes_in_every_shape_it_takes() -> None:
    redactor = Redactor()
    redactor.learn('first line of it "quoted"\nsecond line of it\n')
    for shape in (
        json.dumps({"v": 'first line of it "quoted"\nsecond line of it\n'}),
        "x second line of it",
    ):
        assert "line of it" not in redactor.clean(shape)


LETTERS = st.characters(exclude_characters="\0")


@given(st.text(LETTERS, min_size=6), st.text(LETTERS), st.text(LETTERS))
def test_no_learned_value_survives(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.learn(secret)
    cleaned = redactor.clean(before + secret + after)
    assert secret not in cleaned.replace("[redacted]", "\0")


@pytest.mark.parametrize(
    "text",
    [
        "://" * 300_000,
        "eyJaaaaaaaa." * 80_000,
        "-----BEGIN PRIVATE KEY-----" * 40_000,
        "sk-" + "a" * 1_000_000,
        "authorization:" * 70_000,
        "\x1b]" * 500_000,
        "\x1b[" * 500_000,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_a_hostile_megabyte_costs_little(text: str) -> None:
    before = time.process_time()
    scrub(text)
    visible(text, 100)
    assert time.process_time() - before < 5


def _logged(redactor: Redactor) -> tuple[logging.Logger, io.StringIO]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter(redactor))
    logger = logging.Logger("test")
    logger.addHandler(handler)
    return logger, stream


def test_logs_hold_no_secret_in_message_arguments_or_stack() -> None:
    redactor = Redactor()
    redactor.learn("hunter2hunter2")
    logger, stream = _logged(redactor)
    try:
        raise RuntimeError("it was hunter2hunter2")
    except RuntimeError:
        logger.exception("with %s and %d%%", "hunter2hunter2", 5)
    said = stream.getvalue()
    assert "hunter2" not in said
    assert "with [redacted] and 5%" in said
    assert "RuntimeError: it was [redacted]" in said


def test_a_log_call_whose_arguments_do_not_fit_is_still_logged() -> None:
    logger, stream = _logged(Redactor())
    logger.warning("one %s two %s", "x")
    assert stream.getvalue() == "one %s two %s (its arguments do not fit)\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain\ttext\nü 漢 🙂", "plain\ttext\nü 漢 🙂"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x9b31mred", "red"),
        ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b", "ab"),
        ("\x1bP1;2|x\x1b\\a\x1b_z\x1b\\", "a"),
        ("a\x1b]0;never ended", "a0;never ended"),
        ("a\x1b(Bb\x1b=c\x1b", "abc"),
        ("a\r\nb\rc\x00\x07\x08\x7f\x85", "a\nbc"),
        ("x\u202etxt.exe\u2066\u200b\ufeff", "xtxt.exe"),
        ("hi\U000e0041\U000e0042", "hi"),
        ("\ud800", "\ufffd"),
    ],
)
def test_only_what_can_be_seen_is_shown(text: str, shown: str) -> None:
    assert visible(text, 100) == shown


@given(st.text() | st.text(st.sampled_from("\x1b\x9b[]P0;m\x07\\ab")), st.integers(1, 50))
def test_what_is_shown_is_short_and_obeyed_by_nobody(text: str, limit: int) -> None:
    shown = visible(text, limit)
    assert len(shown) <= limit
    assert not set(shown) & set("\x1b\x9b\x00\r\u202e")
    assert visible(shown, limit) == shown
    assert shown.encode().decode() == shown


def test_a_cut_is_marked() -> None:
    assert visible("abcdef", 6) == "abcdef"
    assert visible("abcdefg", 6) == "abcde…"
