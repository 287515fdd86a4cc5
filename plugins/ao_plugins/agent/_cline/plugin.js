// Leaves word of each turn, and of each tool that has to wait for a dialog, for ao to read; and lets
// ao's own tools be used unasked. Of everything else it decides nothing: the dialog asks.
import { renameSync, writeFileSync } from "node:fs";
import { randomBytes } from "node:crypto";
import { join } from "node:path";

const SOON = 700; // milliseconds, in which a dialog is drawn
const waiting = new Map();

function tell(hook, told) {
  if (!SPOOL) return;
  const name = `${hook}.${randomBytes(6).toString("hex")}`;
  try {
    writeFileSync(join(SPOOL, `.${name}`), JSON.stringify(told), { mode: 0o600 });
    renameSync(join(SPOOL, `.${name}`), join(SPOOL, `${name}.raw`));
  } catch {} // the session may be over
}

function said(message) {
  const parts = Array.isArray(message?.content) ? message.content : [];
  return parts.map((part) => (part?.type === "text" ? part.text : "")).join("\n");
}

function asks(id, name, input) {
  waiting.set(id, null);
  tell("asks", { id, name, input });
}

function goesOn(id) {
  if (waiting.get(id) === null) tell("goesOn", { id });
  clearTimeout(waiting.get(id));
  waiting.delete(id);
}

const isOurs = (name) => typeof name === "string" && name.startsWith("ao__");
const isOfAnother = (context) => Boolean(context?.snapshot?.parentAgentId);

export default {
  name: "ao",
  manifest: { capabilities: ["hooks"] },
  setup() {},
  hooks: {
    beforeRun(context) {
      if (!isOfAnother(context)) tell("beforeRun", { prompt: said(context.snapshot?.messages?.at(-1)) });
    },
    afterRun(context) {
      if (isOfAnother(context)) return;
      const { status, outputText } = context.result ?? {};
      tell("afterRun", { status, text: outputText ?? "", error: context.snapshot?.lastError ?? "" });
    },
    beforeTool(context) {
      const { toolCallId: id, toolName: name } = context.toolCall ?? {};
      if (isOurs(name)) return { policy: { autoApprove: true } };
      waiting.set(id, setTimeout(() => asks(id, name, context.input), SOON));
    },
    onEvent(event) {
      if (event?.type === "tool-started") goesOn(event.toolCall?.toolCallId);
    },
    afterTool(context) {
      goesOn(context.toolCall?.toolCallId);
    },
  },
};
