"""Settings of JSON with comments, as people write them for their agents."""

import json
import re
from pathlib import Path
from typing import Any, cast

from ao_core.errors import ConfigError

_LONGEST = 4 * 1024 * 1024
_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)

Settings = dict[str, Any]


def read(file: Path) -> Settings:
    """What is in such a file; nothing where there is none."""
    plain = _COMMENT.sub(lambda found: found[1] or " ", text_of(file)).strip()
    try:
        loaded: object = json.loads(plain or "{}")
    except (ValueError, RecursionError) as exc:
        hint = "Correct it: the agent that it is for would not start with it, either."
        raise ConfigError(f"{file} is no JSON", hint=hint) from exc
    return cast("Settings", loaded) if isinstance(loaded, dict) else {}


def part(settings: Settings, name: str) -> Settings:
    """The object of that name, or an empty one."""
    found = settings.get(name)
    return cast("Settings", found) if isinstance(found, dict) else {}


def listed(settings: Settings, name: str) -> list[Any]:
    """The array of that name, or an empty one."""
    found = settings.get(name)
    return cast("list[Any]", found) if isinstance(found, list) else []


def text_of(file: Path) -> str:
    """Its text; nothing where it cannot be read."""
    try:
        with file.open(encoding="utf-8", errors="replace") as opened:
            return opened.read(_LONGEST)
    except OSError:
        return ""
