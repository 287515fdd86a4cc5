"""What Qwen Code's hooks are told. https://qwenlm.github.io/qwen-code-docs/en/users/features/hooks/"""

from ao_core.spool import HookEvent, HookKind, Raw
from ao_plugins._tokens import token_in

HOOKS = ("SessionStart", "UserPromptSubmit", "PostToolUse", "Stop", "StopFailure")


def heard(told: Raw) -> HookEvent | None:
    """The same in our words."""
    match told.hook:
        case "SessionStart":
            return told.event(HookKind.SESSION_STARTED, native_id=told.text("session_id"))
        case "UserPromptSubmit" if told.text("prompt"):  # of a tool's results it tells, too
            prompt = told.text("prompt")
            begun = prompt.strip()[:200]
            return told.event(HookKind.TURN_STARTED, begun, token=token_in(prompt))
        case "PostToolUse":  # whoever was asked has answered, here or at the keyboard
            return told.event(HookKind.PERMISSION_ENDED)
        case "Stop":
            return told.event(HookKind.TURN_ENDED, told.text("last_assistant_message"))
        case "StopFailure":
            said = told.text("last_assistant_message") or told.text("error_details")
            return told.event(HookKind.BLOCKED, said or told.text("error"))
        case _:
            return None
