"""How people read a reply: some by hand, all others by their shape."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias, cast

from ao_core.wire import Message
from ao_mcp.cli import disk
from ao_mcp.cli.blocks import Aside, Block, Facts, Table, Text

Rows: TypeAlias = Sequence[Mapping[str, Any]]

_UNDELIVERED = ("failed", "uncertain", "expired")


def render(operation: str, reply: Message) -> Sequence[Block]:
    """The reply of an operation, for people."""
    return _RENDERERS.get(operation, anything)(reply)


def failed(operation: str, reply: Message) -> bool:
    """Whether the reply says that what was wanted did not come about."""
    if operation == "merge":
        return _is_stopped(reply)
    if operation == "restore":
        return any(one.get("error") for one in reply.get("team", ()))
    return operation in ("send", "answer") and reply.get("state") in _UNDELIVERED


def anything(reply: Mapping[str, Any]) -> Sequence[Block]:
    """A reply nobody wrote a view for: facts, then long texts, then tables."""
    facts = {name: value for name, value in reply.items() if _is_fact(value)}
    blocks: list[Block] = [Text(str(facts.pop("said")))] if facts.get("said") else []
    if facts:
        blocks.append(_facts(facts))
    more = [block for name, value in reply.items() for block in _more(name, value)]
    match [*blocks, *more]:
        case []:
            return [Text("Nothing.")]
        case [Table() as only]:
            return [replace(only, heading="")]
        case every:
            return every


def team(lines: Rows) -> Table:
    """Sessions, one line each; only those columns that say something."""
    rows = [
        {
            "session": one["session"],
            "status": one["status"],
            "activity": one.get("activity"),
            "paused": one.get("paused"),
            "used": one.get("used"),
            "needs": _needs(one),
            "issue": one.get("issue"),
            "title": one["title"],
        }
        for one in lines
    ]
    if len({one["project"] for one in lines}) > 1:
        rows = [{"project": one["project"], **row} for one, row in zip(lines, rows, strict=True)]
    return table(rows)


def table(rows: Rows) -> Table:
    """Rows of the same shape. A column nobody filled is left out."""
    names = dict.fromkeys(name for row in rows for name in row)
    used = tuple(name for name in names if any(_word(row.get(name)) for row in rows))
    cells = tuple(tuple(_word(row.get(name)) for name in used) for row in rows)
    return Table(tuple(name.replace("_", " ") for name in used), cells)


def _needs(line: Mapping[str, Any]) -> str:
    who, why = str(line.get("attention", "none")), str(line.get("why", ""))
    return why if who == "none" else f"{who}: {why}"


def _list(reply: Message) -> Sequence[Block]:
    if not reply["sessions"]:
        return [*_projects(reply["projects"]), Text("No workers. `ao spawn` starts one.")]
    more = [Aside(f"more: --cursor {reply['next']}")] if reply.get("next") else []
    return [team(reply["sessions"]), *more]


def _projects(projects: Rows) -> Sequence[Block]:
    return [table(projects)] if projects else []


def _show(reply: Message) -> Sequence[Block]:
    shown = dict(reply)
    head = Text(f"{shown.pop('session')}: {shown.pop('title')}", "bold")
    needs = _needs(shown)
    attach = " ".join(shown.pop("attach", []))
    for name in ("attention", "why"):
        shown.pop(name, None)
    lead = {"status": shown.pop("status"), "needs": needs, "question": shown.pop("question", None)}
    facts = {
        name: one for name, one in (lead | shown).items() if one is not False and _is_fact(one)
    }
    blocks: list[Block] = [head, _facts(facts)]
    for name in ("permissions_pending", "messages"):
        blocks += _more(name, shown.get(name))
    return [*blocks, Aside(f"attach: ao attach {reply['session']}")] if attach else blocks


def _read(reply: Message) -> Sequence[Block]:
    more = f"more: --cursor {reply['cursor']} (of {reply['total']})" if reply.get("cursor") else ""
    return [Text(reply["text"]), *([Aside(more)] if more else [])]


def _wait(reply: Message) -> Sequence[Block]:
    blocks: list[Block] = [] if reply["reached"] else [Text("Not yet.")]
    if reply["changed"]:
        blocks.append(team(reply["changed"]))
    if reply["events"]:
        blocks.append(Text("\n".join(reply["events"]), "dim"))
    return [*blocks, Aside(f"go on: --cursor {reply['cursor']}")]


def _is_stopped(reply: Message) -> bool:
    """Whether some of the work did not get where it was to go, or would not."""
    well = ("landed", "already", "updated", "ready" if reply.get("dry_run") else "landed")
    if any(one["outcome"] not in well for one in reply.get("members", ())):
        return True
    stopped = bool(reply.get("conflicts") or reply.get("blockers"))
    done = reply.get("merged") or reply.get("dry_run") or reply["outcome"] in ("updated", "already")
    return stopped or not done


def _merge(reply: Message) -> Sequence[Block]:
    if len(reply.get("members", ())) > 1:
        return _train(reply)
    stops = [name for name in ("conflicts", "blockers") if reply.get(name)]
    blocks: list[Block] = [Text(_landed(reply), "bold")]
    blocks += [Text("\n  ".join([f"{name}:", *reply[name]])) for name in stops]
    if reply.get("ref"):
        blocks.append(Text(f"The finished result waits at {reply['ref']}."))
    return blocks


def _train(reply: Message) -> Sequence[Block]:
    """One line for each member, then all that is to be said of those that stayed behind."""
    lines = [
        {
            "session": one["session"],
            "outcome": one["outcome"],
            "commit": str(one.get("commit") or "")[:12],
            "files": one.get("files"),
            "with": one.get("whom"),
        }
        for one in reply["members"]
    ]
    said = [
        Text(f"{one['session']}: {one['why']}")
        for one in reply["members"]
        if one.get("why") and not one.get("files")
    ]
    stands = [Text("\n  ".join(["blockers:", *reply["blockers"]]))] if reply["blockers"] else []
    waits = f"The finished result waits at {reply['ref']}." if reply.get("ref") else ""
    return [table(lines), *said, *stands, *([Text(waits)] if waits else [])]


def _landed(reply: Message) -> str:
    session, target, outcome = reply["session"], reply["target"], reply["outcome"]
    if outcome == "updated":
        return f"{session} is up to date with {target}."
    at = f" as {str(reply['commit'])[:12]}" if reply.get("commit") else ""
    if outcome == "already":
        return f"{session} is in {target} already."
    if failed("merge", reply):
        would = "would not be" if reply.get("dry_run") else "was not"
        return f"{session} {would} merged into {target}: {outcome}."
    if reply.get("dry_run"):
        return f"{session} would be merged into {target}."
    return f"{session} was merged into {target}{at}."


def _restore(reply: Message) -> Sequence[Block]:
    """One that is back, or what became of each."""
    shown = dict(reply)
    team = shown.pop("team", [])
    if shown.get("session"):
        return anything(shown)
    return [table(team)] if team else [Text("Nobody is to be brought back.")]


def _kill(reply: Message) -> Sequence[Block]:
    said = [f"{reply['session']} has ended."]
    if reply.get("salvage"):
        said.append(f"What was not committed is saved at {reply['salvage']}.")
    if reply.get("archive"):
        said.append(f"What git would not keep is saved in {reply['archive']}.")
    if not reply["workspace_removed"]:
        said.append(f"Its workspace stays: {reply.get('kept_because') or 'it was not removed'}.")
    back = Aside(f"back again: ao restore {reply['session']}")
    return [Text("\n".join(said)), back]


def _lines(reply: Message) -> Sequence[Block]:
    return [
        Text("\n".join(reply["lines"]) or "Nothing."),
        Aside(f"go on: --after {reply['cursor']}"),
    ]


def _is_fact(value: object) -> bool:
    """Whether it fits on a line of its own."""
    if _rows(value) or isinstance(value, dict):
        return False
    return value not in (None, "", []) and "\n" not in _word(value)


def _rows(value: object) -> Rows:
    """The rows, where a value is a list of objects."""
    many = cast("list[object]", value) if isinstance(value, list) else []
    return cast("Rows", many) if many and isinstance(many[0], dict) else []


def _facts(facts: Mapping[str, object]) -> Facts:
    return Facts(tuple((name.replace("_", " "), _word(value)) for name, value in facts.items()))


def _more(name: str, value: object) -> Sequence[Block]:
    """What takes more than a line."""
    title = f"{name.replace('_', ' ')}:"
    if isinstance(value, dict):
        return [Text(title, "bold"), *anything(cast("Message", value))]
    if rows := _rows(value):
        return [replace(table(rows), heading=title)]
    word = _word(value)
    return [Text(f"{title}\n{word}")] if "\n" in word else []


def _word(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_word, cast("list[object]", value)))
    return _WORDS[value] if value is None or isinstance(value, bool) else str(value)


_WORDS = {True: "yes", False: "no", None: ""}
_RENDERERS: Mapping[str, Callable[[Message], Sequence[Block]]] = {
    "list": _list,
    "show": _show,
    "read": _read,
    "wait": _wait,
    "merge": _merge,
    "kill": _kill,
    "restore": _restore,
    "events": _lines,
    "gc": disk.report,
}
