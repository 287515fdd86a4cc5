"""Changes one setting in a person's file, and leaves all else in it as it is, comments included."""

from pathlib import Path
from typing import cast

import yaml

from ao_core.config import document
from ao_core.errors import ConfigError


def with_store(path: Path, text: str, kind: str) -> str:
    """The file's text with another `store`; raises `ConfigError` if that needs a person."""
    before = document.parse(path, text).data
    changed = _changed(text, kind)
    try:
        after = document.parse(path, changed).data
    except ConfigError:
        after = {}
    store = after.pop("store", None)
    said = cast("dict[str, object]", store).get("kind") if isinstance(store, dict) else store
    if said != kind or after != {name: one for name, one in before.items() if name != "store"}:
        hint = f"Make `store: {kind}` one plain line of it, or take `store` out, then try again."
        raise ConfigError(f"{path} is written so that only a person can change it.", hint=hint)
    return changed


def _changed(text: str, kind: str) -> str:
    node = _named(yaml.compose(text, Loader=yaml.SafeLoader), "store")
    if node is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}store: {kind}\n"
    node = _named(node, "kind") or node
    start, end = cast("int", node.start_mark.index), cast("int", node.end_mark.index)
    gap = " " if start == end else ""  # nothing stood there
    return f"{text[:start]}{gap}{kind}{text[end:]}"


def _named(node: yaml.Node | None, name: str) -> yaml.Node | None:
    if not isinstance(node, yaml.MappingNode):
        return None
    pairs = cast("list[tuple[yaml.Node, yaml.Node]]", node.value)
    return next((value for key, value in pairs if cast("object", key.value) == name), None)
