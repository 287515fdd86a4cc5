"""Two nets around text: secrets are taken out of it, and what a terminal would obey as well."""

import json
import logging
import re

_SHORTEST = 6  # shorter values would redact ordinary words
_SHORTEST_LINE = 16
_GONE = "[redacted]"

_TOKENS = re.compile(
    r"""
      \bgh[opsur]_[A-Za-z0-9]{16,}                              # GitHub
    | \bgithub_pat_[A-Za-z0-9_]{16,}
    | \bgl[a-z]{1,6}-[A-Za-z0-9_-]{16,}                         # GitLab
    | \blin_(?:api|oauth)_[A-Za-z0-9]{16,}                      # Linear
    | \b(?:xox[a-z]|xapp)-[A-Za-z0-9-]{10,}                     # Slack
    | \bsk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{16,}               # model vendors
    | \b[rs]k_(?:live|test)_[A-Za-z0-9]{10,}                    # Stripe
    | \b(?:AKIA|ASIA)[A-Z0-9]{16}\b                             # AWS
    | \bAIza[A-Za-z0-9_-]{30,}                                  # Google
    | \b(?:hf|npm)_[A-Za-z0-9]{30,}
    | \beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]* # JSON web tokens
    | -----BEGIN\ [A-Z ]{0,40}PRIVATE\ KEY-----
      .*?(?:-----END\ [A-Z ]{0,40}PRIVATE\ KEY-----|\Z)
    """,
    re.VERBOSE | re.DOTALL,
)
_LED = re.compile(  # secrets known by what stands before them, which is kept
    r"""
      (?P<url>://)[^\s/@:]*:[^\s/]+(?=@)
    | (?P<header>\bauthorization["']?\s{0,4}[:=]\s{0,4}["']?(?:[a-z]{1,12}\s{1,4})?)[^\s"']{6,}
    | (?P<scheme>\bbearer\s{1,4})[A-Za-z0-9._~+/=-]{12,}
    | (?P<key>\b(?:private-token|x-api-key)["']?\s{0,4}[:=]\s{0,4}["']?)[^\s"']{6,}
    """,
    re.VERBOSE | re.IGNORECASE,
)

_ESCAPES = re.compile(
    r"""
      \x1b\][^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)    # titles, links, clipboard
    | \x1b[PX^_][^\x1b\x9c]*(?:\x1b\\|\x9c)         # device control
    | (?:\x1b\[|\x9b)[0-?]*[\ -/]*[@-~]?            # colour, cursor
    | \x1b[\ -/]*[0-~]?
    """,
    re.VERBOSE,
)
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control bytes but tab and newline
    "\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff"  # direction and nothing
    "\U000e0000-\U000e007f]"  # invisible letters
)
_SURROGATES = re.compile("[\ud800-\udfff]")
_CUT = "…"


def scrub(text: str) -> str:
    """Take out whatever has the shape of a secret."""
    return _LED.sub(_keep_lead, _TOKENS.sub(_GONE, text))


def looks_secret(text: str) -> bool:
    """Whether something in it has the shape of a secret."""
    return bool(_TOKENS.search(text) or _LED.search(text))


class Redactor:
    """Knows the secrets of this process, and takes them out of text."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def learn(self, value: str) -> None:
        """Remember a secret, whole, by long lines, and as JSON would write it."""
        shapes = {value, value.strip(), json.dumps(value)[1:-1]}
        shapes |= {line for line in value.splitlines() if len(line) >= _SHORTEST_LINE}
        fresh = {shape for shape in shapes if len(shape) >= _SHORTEST} - self._known
        if fresh:
            self._known |= fresh
            longest_first = sorted(self._known, key=len, reverse=True)
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def clean(self, text: str) -> str:
        """The text without known secrets and without what looks like one."""
        return scrub(self._pattern.sub(_GONE, text) if self._pattern else text)


class RedactingFilter(logging.Filter):
    """Put on a log handler, keeps secrets out of messages and stack traces."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; lets every record through."""
        record.msg, record.args = self._redactor.clean(_message(record)), ()
        if record.exc_info:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = self._redactor.clean(record.exc_text)
        if record.stack_info:
            record.stack_info = self._redactor.clean(record.stack_info)
        return True


def visible(text: str, limit: int) -> str:
    """Untrusted text as it may be shown: nothing hidden, nothing obeyed, at most `limit` long."""
    plain = _ESCAPES.sub("", text.replace("\r\n", "\n"))
    plain = _SURROGATES.sub("\ufffd", _UNSEEN.sub("", plain))
    return plain if len(plain) <= limit else plain[: max(0, limit - len(_CUT))] + _CUT


def _keep_lead(match: re.Match[str]) -> str:
    return f"{match[match.lastgroup or 0]}{_GONE}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} (its arguments do not fit)"
