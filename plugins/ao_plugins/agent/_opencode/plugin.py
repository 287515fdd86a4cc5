"""What runs inside opencode: it leaves word of what happens there, and puts permissions to ao.

Of one that speaks the protocol it says nothing, since that tells; but a subagent's permissions are
asked for here all the same: by protocol nobody would ever answer them.
"""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from ao_core.files import write_atomic
from ao_plugins._hooks import asks

NAME = "opencode.mjs"

_PROGRAM = """\
import { spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { renameSync, writeFileSync } from "node:fs"

const spool = process.env.AO_SPOOL
const spoken = process.argv.includes("acp")
const waiting = new Map()
const children = new Set()
const said = new Map()
const failed = new Set()
const tried = new Set()

function leave(hook, told) {
  if (!spool || spoken) return
  const name = randomBytes(8).toString("hex")
  try {
    writeFileSync(`${spool}/.told-${name}`, JSON.stringify(told))
    renameSync(`${spool}/.told-${name}`, `${spool}/${hook}.${name}.raw`)
  } catch {}
}

function ask(request, client) {
  const [program, ...rest] = OURS.asks
  const asking = spawn(program, rest, { stdio: ["pipe", "pipe", "ignore"] })
  waiting.set(request.id, asking)
  let answer = ""
  asking.stdout.on("data", (data) => { answer += data })
  asking.stdin.on("error", () => {})
  asking.on("error", () => waiting.delete(request.id))
  asking.on("close", () => {
    if (waiting.delete(request.id) && answer) reply(client, request.id, JSON.parse(answer))
  })
  asking.stdin.end(JSON.stringify(request))
}

function reply(client, requestID, body) {
  const headers = { "Content-Type": "application/json" }
  const url = "/permission/{requestID}/reply"
  client._client.post({ url, path: { requestID }, body, headers }).catch(() => {})
}

function answered({ sessionID, requestID }) {
  const asking = waiting.get(requestID)
  if (!asking) return
  waiting.delete(requestID)
  asking.kill()
  leave("permission-replied", { sessionID, requestID })
}

function rests(sessionID) {
  if (children.has(sessionID) || failed.delete(sessionID)) return
  leave("session-idle", { sessionID, text: said.get(sessionID) })
}

function fails({ sessionID, error }) {
  if (!sessionID || children.has(sessionID) || error?.name === "MessageAbortedError") return
  failed.add(sessionID)
  leave("session-error", { sessionID, name: error?.name, message: error?.data?.message })
}

function retries(sessionID, status) {
  if (children.has(sessionID)) return
  if (status.type === "retry") leave("session-retry", { sessionID, ...status })
  else if (status.type === "busy" && tried.has(sessionID)) leave("session-busy", { sessionID })
  status.type === "retry" ? tried.add(sessionID) : tried.delete(sessionID)
}

export const Ao = async ({ client }) => ({
  config: async (config) => {
    if (spoken || !OURS.face.length) return
    config.mcp = { ...config.mcp, ao: { type: "local", command: OURS.face, enabled: true } }
  },
  "chat.message": async ({ sessionID }, { parts }) => {
    if (children.has(sessionID)) return
    said.delete(sessionID)
    failed.delete(sessionID)
    const text = parts.filter((part) => part.type === "text" && !part.synthetic)
    leave("chat-message", { sessionID, text: text.map((part) => part.text).join("\\n") })
  },
  event: async ({ event: { type, properties: told } }) => {
    if (type === "session.created" && told.info.parentID) children.add(told.info.id)
    else if (type === "session.created") leave("session-created", { sessionID: told.info.id })
    else if (type === "session.idle") rests(told.sessionID)
    else if (type === "session.error") fails(told)
    else if (type === "session.status") retries(told.sessionID, told.status)
    else if (type === "permission.replied") answered(told)
    else if (type === "permission.asked" && (!spoken || children.has(told.sessionID)))
      ask(told, client)
    else if (type === "message.part.updated" && told.part.type === "text" && told.part.time?.end)
      said.set(told.part.sessionID, told.part.text)
  },
})
"""


def plugin(folder: Path, face: Sequence[str]) -> Path:
    """The program, with what it is to start, put into a folder of the session's."""
    path = folder / NAME
    ours = {"asks": shlex.split(asks("opencode")), "face": list(face)}
    write_atomic(path, f"const OURS = {json.dumps(ours)}\n\n{_PROGRAM}")
    return path
