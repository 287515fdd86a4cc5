"""Changes one table in TOML, whose other bytes stay as they are.

Tables may stand anywhere, so ours goes to the end. Taking it out, each place where it may end is
tried until the rest says what it said before.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import cast

from ao_mcp.clients.form import Broken, Entry, Unfit, held, with_entry

_HEADER = re.compile(r"[ \t]*\[")
_PLACE = re.compile(r"\(at (?:line (\d+), column (\d+)|end of document)\)$")


class Toml:
    """TOML as the standard library reads it."""

    def read(self, text: str) -> Mapping[str, object]:
        """What it says."""
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise _broken(text, str(exc)) from exc

    def put(self, text: str, keys: Sequence[str], name: str, entry: Entry) -> str:
        """A table at the end, behind an empty line."""
        rest = self.drop(text, keys, name)
        line = "\r\n" if "\r\n" in text else "\n"
        header = f"[{'.'.join([*keys, name])}]"
        lines = [header, *(f"{key} = {_value(value)}" for key, value in entry.items())]
        ended = not rest or rest.endswith("\n")
        gap = line * (bool(rest) + (not ended))
        return rest + gap + line.join(lines) + (line if ended else "")

    def drop(self, text: str, keys: Sequence[str], name: str) -> str:
        """Takes the empty line before it along, where nothing follows."""
        data = self.read(text)
        if name not in held(data, keys):
            return text
        wanted = with_entry(data, keys, name, None)
        for candidate in _cuts(text, [*keys, name]):
            if _says(candidate, keys, name, wanted):
                return candidate
        raise Unfit(f"`{name}` is not a table of its own")


FORMS = {"toml": Toml()}


def _cuts(text: str, path: Sequence[str]) -> Iterator[str]:
    """The text without the table, for every place where it may begin and end."""
    lines = text.splitlines(keepends=True)
    ours = re.compile(rf"[ \t]*\[[ \t]*{_dotted(path)}[ \t]*[.\]]")
    for first in (at for at, line in enumerate(lines) if ours.match(line)):
        headers = (at for at in range(first + 1, len(lines)) if _HEADER.match(lines[at]))
        for end in (*headers, len(lines)):
            block = lines[first:end]
            idle = len([*takewhile(_says_nothing, reversed(block))])
            cut = not block[-1].endswith("\n")
            yield _joined(lines[:first], lines[end - idle :], cut=cut)


def _joined(before: Sequence[str], after: Sequence[str], *, cut: bool) -> str:
    text = "".join(before)
    if after or not text:
        return text + "".join(after)
    text = text.removesuffix("\n").removesuffix("\r")
    return text.removesuffix("\n").removesuffix("\r") if cut else text


def _says(text: str, keys: Sequence[str], name: str, wanted: Mapping[str, object]) -> bool:
    try:
        data = tomllib.loads(text)
        return name not in held(data, keys) and with_entry(data, keys, name, None) == wanted
    except (tomllib.TOMLDecodeError, Unfit):
        return False


def _says_nothing(line: str) -> bool:
    return not line.strip() or line.lstrip().startswith("#")


def _dotted(path: Sequence[str]) -> str:
    return r"[ \t]*\.[ \t]*".join(rf"(?:{one}|\"{one}\"|'{one}')" for one in map(re.escape, path))


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        table = cast("Mapping[str, object]", value)
        return f"{{ {', '.join(f'{key} = {_value(one)}' for key, one in table.items())} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, cast('Sequence[object]', value)))}]"
    return json.dumps(value, ensure_ascii=False)


def _broken(text: str, said: str) -> Broken:
    place = _PLACE.search(said)
    why = said[: place.start()].strip() if place else said
    if place and place[1]:
        return Broken(int(place[1]), int(place[2]), why)
    last = text.split("\n")
    return Broken(len(last), len(last[-1]) + 1, why)
