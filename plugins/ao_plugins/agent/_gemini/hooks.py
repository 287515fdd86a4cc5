"""What Gemini CLI's hooks are told. https://geminicli.com/docs/hooks/reference/"""

import json

from ao_core.drive.loose import mapping
from ao_core.spool import HookEvent, HookKind, Raw
from ao_plugins._tokens import token_in

HOOKS = ("SessionStart", "BeforeAgent", "Notification", "AfterTool", "AfterAgent")
_NOTHING = "[no response text]"
_KINDS = {"exec": "run", "info": "fetch"}
_ABOUT = ("fileName", "filePath", "fileDiff", "urls", "prompt", "serverName", "toolArgs")


def heard(told: Raw) -> HookEvent | None:
    """The same in our words."""
    match told.hook:
        case "SessionStart":
            return told.event(HookKind.SESSION_STARTED, native_id=told.text("session_id"))
        case "BeforeAgent":
            prompt = told.text("prompt")
            begun = prompt.strip()[:200]
            return told.event(HookKind.TURN_STARTED, begun, token=token_in(prompt))
        case "Notification" if told.text("notification_type") == "ToolPermission":
            return _asked(told)
        case "AfterTool":  # whoever was asked has answered, here or at the keyboard
            return told.event(HookKind.PERMISSION_ENDED)
        case "AfterAgent":
            said = told.text("prompt_response")
            return told.event(HookKind.TURN_ENDED, "" if said == _NOTHING else said)
        case _:
            return None


def _asked(told: Raw) -> HookEvent:
    """What it wants to do, as its dialog is about to say."""
    details = mapping(told.payload.get("details"))
    about = {name: value for name, value in details.items() if name in _ABOUT}
    shown = told.text("details", "command") or json.dumps(about, ensure_ascii=False)
    kind = told.text("details", "type")
    tool = told.text("details", "toolName") or _KINDS.get(kind, kind)
    return told.event(HookKind.PERMISSION_ASKED, told.text("message"), tool=tool, arguments=shown)
