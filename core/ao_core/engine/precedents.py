"""What was answered for always: the same wish is answered so, for as long as its session lasts."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ao_core.engine.policy import Ruling, Wish, is_for_shell_only
from ao_core.model.rule import Precedent, Verdict
from ao_core.model.session import Session
from ao_core.redact import visible
from ao_core.store.records import Decision, Permission

_MOST = 100
_ABOUT = 200


def is_plain(wish: Wish) -> bool:
    """Whether what it is about can be told again: words of a command, or paths."""
    named = bool(wish.command or wish.path is not None or wish.also)
    return wish.clear and wish.line is None and named and not is_for_shell_only(wish.command)


def mark_of(wish: Wish, shown: str, workspace: str) -> str:
    """The same for the same wish: its tool with every word, or with the places it names. Of what is
    not plain, the same text.
    """
    places = [_place(path, wish.folder, workspace) for path in (wish.path, *wish.also)]
    told = [wish.tool, wish.called, wish.folder, wish.path, *wish.also, places, wish.command]
    text = None if is_plain(wish) else [shown, wish.line]
    return hashlib.sha256(json.dumps([told, text]).encode()).hexdigest()


def _place(path: str | None, folder: str | None, workspace: str) -> str | None:
    """Where it leads now: a link that leads elsewhere later is another place."""
    if path is None:
        return None
    try:
        return os.path.realpath(os.path.join(workspace, folder or "", path))
    except (OSError, ValueError):
        return None


def precedent(session: Session, mark: str) -> Precedent | None:
    """What was said to the same wish before."""
    return next((one for one in session.precedents if mark and one.mark == mark), None)


def ruling(known: Precedent) -> Ruling:
    """As it was said then."""
    verdict = Verdict.ALLOW if known.allowed else Verdict.DENY
    return Ruling(verdict, f"for always, as of {known.at.isoformat(timespec='seconds')}")


def setting(session: Session, asked: Permission, by: str, at: datetime) -> Session:
    """The same session, with what was answered; of very many, those before go."""
    made = Precedent(
        asked.mark, asked.tool, visible(asked.arguments.replace("\n", " "), _ABOUT),
        asked.decision is Decision.ALLOW, by, at,
    )  # fmt: skip
    return replace(session, precedents=(*_others(session.precedents, made), made)[-_MOST:])


def _others(known: Iterable[Precedent], made: Precedent) -> Iterable[Precedent]:
    return (one for one in known if one.mark != made.mark)
