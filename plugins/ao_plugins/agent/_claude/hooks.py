"""What Claude Code's hooks are told. https://code.claude.com/docs/en/hooks"""

from ao_core.spool import HookEvent, HookKind, Raw
from ao_plugins._tokens import token_in

HOOKS = ("SessionStart", "UserPromptSubmit", "Notification", "Stop", "StopFailure")
_ASKS = ("agent_needs_input", "elicitation_dialog")


def heard(told: Raw) -> HookEvent | None:
    """The same in our words."""
    match told.hook:
        case "SessionStart":
            return told.event(HookKind.SESSION_STARTED, native_id=told.text("session_id"))
        case "UserPromptSubmit":
            prompt = told.text("prompt")
            return told.event(HookKind.TURN_STARTED, prompt.strip()[:200], token=token_in(prompt))
        case "Stop":
            return told.event(HookKind.TURN_ENDED, told.text("last_assistant_message"))
        case "StopFailure":
            said = told.text("last_assistant_message") or told.text("error_details")
            return told.event(HookKind.BLOCKED, said or told.text("error"))
        case "Notification" if told.text("notification_type") in _ASKS:
            return told.event(HookKind.WAITING_INPUT, told.text("message"))
        case _:
            return None
