"""Text as it may be written to GitLab, where a line that begins with a slash can be a command.

https://docs.gitlab.com/user/project/quick_actions/

Whatever an agent or a person writes here is meant to be read: no line of it closes, assigns or
merges anything.
"""

import re

from ao_core.redact import visible

TITLE, BODY = 255, 1_000_000  # the longest that GitLab takes
_COMMAND = re.compile(r"^/(?=[a-z_]+(?:\s|$))", re.IGNORECASE | re.MULTILINE)


def plain(text: str) -> str:
    """The text, which shows the same and does nothing."""
    return _COMMAND.sub(r"\\/", visible(text, BODY))


def one_line(text: str) -> str:
    """A title as GitLab would keep it."""
    return " ".join(visible(text, TITLE).split()) or "(no title)"
