"""What Amazon Q and Kiro have in common, since one has come of the other.

Both start an agent by name from a file in the workspace, which has our hooks, our tools and our
instructions: https://github.com/aws/amazon-q-developer-cli/blob/main/docs/agent-format.md,
https://github.com/aws/amazon-q-developer-cli/blob/main/docs/hooks.md and
https://kiro.dev/docs/cli/custom-agents/configuration-reference
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from ao_core.model.activity import ActivityState
from ao_core.model.session import PermissionMode
from ao_core.slots.agent import Launch
from ao_core.spool import HookEvent, HookKind, Raw
from ao_plugins._bottom import bottom, ends_with
from ao_plugins._hooks import leaves_word
from ao_plugins._tokens import token_in

AGENT, SPOKEN = "ao-worker", "ao-spoken-worker"
ASKING = r"\[y/n/t\]:\s*\n\s*\[ao-worker\][^\n]*>[^\n]*\s*\Z"  # the same, for a whole screen
TYPED = r"\[ao-worker\][^\n]*> \S[^\n]*\s*\Z"

_HOOKS = ("agentSpawn", "userPromptSubmit", "stop")
_OWN = "@ao"  # our server, and all its tools
_PROMPT = re.compile(r"\[ao-worker\] (\d+% )?([↯λ] )?!?>( |$)")
_QUESTION = re.compile(
    r"Allowthisaction\?(Use't'totrust\(alwaysallow\)thistoolforthesession\.)?\[y/n/t\]:$"
)
_TROUBLE = r"(Amazon Q|Kiro) is having trouble responding right now"
_BUSY = r"[\u2800-\u28ff] ?Thinking\.\.\."
_ABOVE = 6  # lines


def trusting(permissions: PermissionMode, edits: str) -> tuple[str, ...]:
    """Nothing is trusted but our own tools, and edits where they need not be asked for."""
    also = (edits,) if permissions is PermissionMode.AUTO_EDIT else ()
    return (_OWN, *also)


def agent_file(
    launch: Launch, script: Path, trusted: Sequence[str], more: Mapping[str, object]
) -> str:
    """The agent it is started as in its terminal."""
    hooks = {hook: [{"command": leaves_word(script, hook)}] for hook in _HOOKS}
    program, *arguments = launch.face or ("",)
    servers = {"ao": {"command": program, "args": arguments}} if program else {}
    return _file(AGENT, launch, trusted, {"mcpServers": servers, "hooks": hooks, **more})


def spoken_file(launch: Launch, trusted: Sequence[str], more: Mapping[str, object]) -> str:
    """The same by protocol, by which it tells everything itself, and is given our tools."""
    return _file(SPOKEN, launch, trusted, more)


def _file(name: str, launch: Launch, trusted: Sequence[str], more: Mapping[str, object]) -> str:
    agent = {
        "name": name,
        "description": "A worker of ao's.",
        "prompt": launch.system_prompt.resolve().as_uri(),
        "tools": ["*"],
        "allowedTools": list(trusted),
        **more,
    }
    return json.dumps(agent, indent=1) + "\n"


def of_hook(raw: Raw) -> HookEvent | None:
    """What one of those hooks was told."""
    match raw.hook:
        case "agentSpawn":
            return raw.event(HookKind.SESSION_STARTED)
        case "userPromptSubmit":
            prompt = raw.text("prompt")
            said = prompt.strip()[:200]
            return raw.event(HookKind.TURN_STARTED, said, token=token_in(prompt))
        case "stop":
            return raw.event(HookKind.TURN_ENDED)
        case _:
            return None


def line_state(screen: str) -> ActivityState | None:
    """By the prompt it reads lines at, and what stands right above; asking comes before trouble."""
    lines = bottom(screen)
    if not lines or not _PROMPT.match(lines[-1]):
        return ActivityState.ACTIVE if ends_with(lines, _BUSY) else None
    above = lines[:-1]
    if _QUESTION.search(re.sub(r"\s", "", "".join(above))):
        return ActivityState.WAITING_INPUT
    return ActivityState.BLOCKED if in_trouble(above) else ActivityState.IDLE


def in_trouble(above: Sequence[str]) -> bool:
    """Whether what it says last is that it cannot go on; a quotation is no line of its own."""
    return ends_with(above, _TROUBLE, _ABOVE)


def used_up(screen: str) -> str | None:
    """The line in which it says that its requests are used up."""
    lines = reversed(bottom(screen, 20))
    return next((one for one in lines if re.match("Monthly request limit reached", one)), None)
