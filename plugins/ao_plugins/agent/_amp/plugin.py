"""What Amp is given of ours: a plugin that tells what goes on, and who decides on its tools.

`amp plugins show-docs` has the events; https://ampcode.com/manual/appendix has how a decision is
delegated: a program is told the tool's name in `AGENT_TOOL_NAME` and its input on standard input,
and says yes by 0, ask by 1, and no by 2, with the reason on standard error.
"""

import json
import os
import shlex
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ao_core.files import write_atomic
from ao_core.ids import new_id
from ao_core.model.session import PermissionMode
from ao_plugins._permit import ask, unanswered
from ao_plugins._permit_dialects import Question

PLUGIN = """\
// Leaves what Amp tells of its work for ao to read.
import { renameSync, writeFileSync } from 'node:fs'

export const description = 'Tells ao what goes on.'

export default function (amp: any) {
  const tell = (hook: string, told: unknown) => {
    const spool = process.env.AO_SPOOL
    if (!spool) return
    const name = crypto.randomUUID().replaceAll('-', '')
    try {
      writeFileSync(`${spool}/.told-${name}`, JSON.stringify(told), { mode: 0o600 })
      renameSync(`${spool}/.told-${name}`, `${spool}/${hook}.${name}.raw`)
    } catch {}
  }
  const said = (messages: any[]) =>
    messages.filter((one) => one.role === 'assistant').flatMap((one) => one.content)
      .filter((one) => one.type === 'text').map((one) => one.text).at(-1) ?? ''
  amp.on('session.start', ({ thread }: any) => tell('session-start', { thread }))
  amp.on('agent.start', ({ thread, message }: any) => {
    tell('agent-start', { thread, message })
    return {}
  })
  amp.on('agent.end', ({ thread, status, messages }: any) =>
    tell('agent-end', { thread, status, said: said(messages) }))
}
"""
READS = ("Read", "Grep", "grep", "Glob", "glob", "finder", "mcp__ao__*")
EDITS = ("edit_file", "create_file", "undo_edit", "apply_patch")
_YES, _ASK, _NO = 0, 1, 2
_LOOK = 0.5
_OVERRIDDEN = ("amp.permissions", "amp.dangerouslyAllowAll")


def settings_of(
    user: Mapping[str, Any], permissions: PermissionMode, program: Path
) -> dict[str, Any]:
    """The user's settings, but for who decides: what they refuse stays refused."""
    own = {name: value for name, value in user.items() if name not in _OVERRIDDEN}
    kept = {**own, "amp.updates.mode": "disabled"}
    if permissions is PermissionMode.PERMISSIONLESS:
        refused = _refused(user.get("amp.permissions"))
        return {**kept, "amp.dangerouslyAllowAll": True, "amp.permissions": refused}
    allowed = (*READS, *(EDITS if permissions is PermissionMode.AUTO_EDIT else ()))
    rules = [
        *_refused(user.get("amp.permissions")),
        *({"tool": tool, "action": "allow"} for tool in allowed),
        {"tool": "*", "action": "delegate", "to": str(program)},
    ]
    return {**kept, "amp.dangerouslyAllowAll": False, "amp.permissions": rules}


def _refused(rules: object) -> Sequence[dict[str, Any]]:
    every = cast("list[object]", rules) if isinstance(rules, list) else []
    found = [cast("dict[str, Any]", one) for one in every if isinstance(one, dict)]
    return [one for one in found if one.get("action") == "reject"]


def program_in(folder: Path) -> Path:
    """The program that decides, put into this folder: Amp runs it without arguments."""
    command = shlex.join([sys.executable, "-I", "-m", "ao_plugins.agent._amp.plugin"])
    path = folder / "amp-decides"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_atomic(path, f"#!/bin/sh\nexec {command}\n", 0o700)
    return path


def main() -> int:
    """Ask the engine; where it does not answer, Amp asks whoever sits before it."""
    given: object = json.load(sys.stdin)
    arguments = cast("dict[str, Any]", given) if isinstance(given, dict) else {}
    asked = Question(new_id("use"), os.environ.get("AGENT_TOOL_NAME", ""), arguments)
    over = threading.Event()
    threading.Thread(target=_watch, args=(os.getppid(), over), daemon=True).start()
    said = ask(asked, over)
    if said is None:
        unanswered(asked)
        return _ASK
    if not said[0]:
        sys.stderr.write(said[1] or "Nobody allowed it.")
    return _YES if said[0] else _NO


def _watch(parent: int, over: threading.Event) -> None:
    """Until whoever asked is gone: nobody is to be asked for it any more."""
    while not over.wait(_LOOK):
        if os.getppid() != parent:
            over.set()


if __name__ == "__main__":
    sys.exit(main())
