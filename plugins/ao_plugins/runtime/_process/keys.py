"""What a terminal sends for a key, by the names that tmux gives them.

https://man.openbsd.org/tmux#KEY_BINDINGS
"""

_KEYS = {
    "Enter": "\r", "Escape": "\x1b", "Tab": "\t", "BTab": "\x1b[Z", "Space": " ",
    "BSpace": "\x7f", "DC": "\x1b[3~", "Delete": "\x1b[3~", "IC": "\x1b[2~", "Insert": "\x1b[2~",
    "PPage": "\x1b[5~", "PageUp": "\x1b[5~", "PgUp": "\x1b[5~",
    "NPage": "\x1b[6~", "PageDown": "\x1b[6~", "PgDn": "\x1b[6~",
    "F1": "\x1bOP", "F2": "\x1bOQ", "F3": "\x1bOR", "F4": "\x1bOS", "F5": "\x1b[15~",
    "F6": "\x1b[17~", "F7": "\x1b[18~", "F8": "\x1b[19~", "F9": "\x1b[20~", "F10": "\x1b[21~",
    "F11": "\x1b[23~", "F12": "\x1b[24~",
}  # fmt: skip
_MOVING = {"Up": "A", "Down": "B", "Right": "C", "Left": "D", "Home": "H", "End": "F"}


def pressed(key: str, *, application: bool = False) -> bytes:
    """The bytes of one key; a name that nobody knows is text."""
    if key in _KEYS:
        return _KEYS[key].encode()
    if key in _MOVING:
        return f"\x1b{'O' if application else '['}{_MOVING[key]}".encode()
    if key.startswith("M-") and len(key) > 2:
        return b"\x1b" + pressed(key[2:], application=application)
    for held in ("C-", "^"):
        if key.startswith(held) and (control := _control(key.removeprefix(held).upper())):
            return control
    return key.encode()


def _control(letter: str) -> bytes | None:
    if letter == "SPACE":
        return b"\0"
    if letter == "?":
        return b"\x7f"
    known = len(letter) == 1 and "@" <= letter <= "_"
    return bytes([ord(letter) & 0x1F]) if known else None
