"""Who a message is from, in a first line that its worker can verify.

The line ends in a seal: a MAC over the message's id, origin and text, keyed with the worker's own
token. So what was typed by anything else cannot pretend to be from the lead, and nor can a text
inside a message: a line in it that looks like such a first line is made not to.
"""

import hashlib
import hmac
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ao_core.store.records import Message

_LENGTH = 20
_UNSEEN = r"[\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff]*"
_FROM = _UNSEEN + _UNSEEN.join("from") + r"\b"
_FAKE_LINE = re.compile(rf"^([^\w\n]*)[\[［【](?={_FROM})", re.IGNORECASE | re.MULTILINE)
_FAKE_INSIDE = re.compile(rf"[\[［【](?={_FROM}[^\]\n]*·)", re.IGNORECASE)


def seal(token: str, id: str, origin: str, body: str) -> str:
    """What proves to the holder of the token that the engine has this message for it."""
    told = f"{id}\n{origin}\n{body}"
    return hmac.new(token.encode(), told.encode(), hashlib.sha256).hexdigest()[:_LENGTH]


def first_line(message: "Message") -> str:
    """The line before the text."""
    return f"[from {message.origin} · {message.id} · {message.seal}]"


def harmless(body: str) -> str:
    """The text with nothing in it that could be taken for a first line."""
    return _FAKE_INSIDE.sub("(", _FAKE_LINE.sub(r"\1(", body))
