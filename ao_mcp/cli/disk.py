"""How people read the disk report of `ao gc`."""

from collections.abc import Mapping, Sequence
from typing import Any

from ao_core.wire import Message
from ao_mcp.cli.blocks import Aside, Block, Table, Text
from ao_mcp.usage import shown


def report(reply: Message) -> Sequence[Block]:
    """What takes up how much, what can go or has gone, and what stays."""
    home = [(one["what"], shown(one["bytes"])) for one in reply["disk"] if one["bytes"]]
    blocks: list[Block] = [Text(str(reply["said"]), "bold"), Table(("kind", "size"), tuple(home))]
    if reply["workspaces"]:
        rows = [(one["session"], shown(one["bytes"]), _fate(one)) for one in reply["workspaces"]]
        titles = ("session", "size", "its workspace")
        blocks.append(Table(titles, tuple(rows), "left by ended workers:"))
    if reply["ready"]:
        rows = [(one["project"], shown(one["bytes"]), _use(one)) for one in reply["ready"]]
        titles = ("project", "size", "a workspace")
        blocks.append(Table(titles, tuple(rows), "made before anybody needs them:"))
    saved = [
        (one["project"], _pieces(one), _size(one)) for one in reply["saved_work"]
        if one["snapshots"]
    ]  # fmt: skip
    if saved:
        blocks.append(
            Table(("project", "kept", "in git"), tuple(saved), "saved work, which stays:")
        )
    return blocks if reply["whole"] else [*blocks, Aside("there are more files than were counted")]


def _fate(one: Mapping[str, Any]) -> str:
    if one["removed"]:
        return f"removed; saved at {one['saved']}" if one["saved"] else "removed"
    return f"stays: {one['stays']}" if one["stays"] else "can go"


def _use(one: Mapping[str, Any]) -> str:
    if one["touched"]:
        return f"left alone at {one['path']}: {one['touched']}"
    return "kept ready; `warm_worktrees: 0` removes it"


def _pieces(one: Mapping[str, Any]) -> str:
    return f"{one['snapshots']} snapshots"


def _size(one: Mapping[str, Any]) -> str:
    return "" if one["bytes"] is None else shown(one["bytes"])
