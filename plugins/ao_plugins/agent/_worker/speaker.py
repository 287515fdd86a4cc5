"""The agent's side of the Agent Client Protocol: what it can do, and its one conversation."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from ao_core.drive.loose import mapping
from ao_core.drive.messages import (
    BAD_PARAMS,
    BAD_REQUEST,
    INTERNAL,
    NO_METHOD,
    NO_RESOURCE,
    Id,
    Notice,
    Params,
    Request,
)
from ao_core.errors import AoError
from ao_plugins.agent._worker.acp import Answer, Message, Refusal, Wire
from ao_plugins.agent._worker.conversation import Conversation
from ao_plugins.agent._worker.deeds import Hands
from ao_plugins.agent._worker.journal import Journal, Past
from ao_plugins.agent._worker.narrator import Narrator, Update
from ao_plugins.agent._worker.replay import replay
from ao_plugins.agent._worker.turn import Doer

_VERSION = 1
_MODES = {
    "default": ("Default", "Asks before it runs a command"),
    "permissionless": ("Permissionless", "Runs commands unasked"),
}


@dataclass(slots=True)
class Speaker:
    """Answers requests. A new conversation takes the place of the one before."""

    name: str
    wire: Wire
    permissionless: bool = False
    chatty: bool = False
    _introduced: bool = False
    _talk: Conversation | None = None

    @property
    def over(self) -> int | None:
        """The status to end with, once a script wants it."""
        return self._talk.over if self._talk else None

    @property
    def due(self) -> float | None:
        """When to be woken: at the end of a sleep."""
        return self._talk.progress.until if self._talk else None

    def wake(self) -> None:
        """A moment has come."""
        if self._talk is not None:
            self._talk.progress.wake()

    def leave(self) -> None:
        """Let nothing go on without it; what is not finished stays so in the log."""
        if self._talk is not None:
            self._talk.doer.hands.stop()

    def take(self, message: Message) -> None:
        """Something came."""
        match message:
            case Answer(id, result):
                if self._talk is not None:
                    self._talk.answered(id, result)
            case Notice("session/cancel", params):
                if self._talk is not None and self._talk.past.native_id == params.get("sessionId"):
                    self._talk.cancel()
            case Notice():
                pass
            case Request():
                self._respond(message)

    def _respond(self, request: Request) -> None:
        try:
            self._handler(request.method)(request.id, request.params)
        except Refusal as refusal:
            refusal.id = request.id
            self.wire.refuse(refusal)
        except AoError as problem:
            self.wire.refuse(Refusal(INTERNAL, problem.message, request.id))

    def _handler(self, method: str) -> Callable[[Id, Params], None]:
        known = {
            "initialize": self._initialize,
            "session/new": self._new,
            "session/load": self._load,
            "session/set_mode": self._set_mode,
            "session/prompt": self._prompt,
        }
        if method not in known:
            raise Refusal(NO_METHOD, f"there is no {method[:80]}")
        if not self._introduced and method != "initialize":
            raise Refusal(BAD_REQUEST, "initialize comes first")
        return known[method]

    # -- requests ----------------------------------------------------------------------------------

    def _initialize(self, id: Id, params: Params) -> None:
        self._introduced = True
        prompts = {"image": False, "audio": False, "embeddedContext": False}
        servers = {"http": False, "sse": False}
        can = {"loadSession": True, "promptCapabilities": prompts, "mcpCapabilities": servers}
        info = {"name": "ao-worker", "title": f"ao worker, {self.name}", "version": "1.0.0"}
        result = {"protocolVersion": _VERSION, "agentCapabilities": can, "agentInfo": info}
        self.wire.answer(id, {**result, "authMethods": []})

    def _new(self, id: Id, params: Params) -> None:
        journal, workspace = self._place(params)
        talk = self._open(journal, workspace, journal.begin())
        self.wire.answer(id, {"sessionId": talk.past.native_id, "modes": _modes(talk)})

    def _load(self, id: Id, params: Params) -> None:
        journal, workspace = self._place(params)
        past = journal.past()
        if past is None or past.native_id != params.get("sessionId"):
            raise Refusal(NO_RESOURCE, "there is no such session here")
        talk = self._open(journal, workspace, past)
        replay(journal.entries(), talk.narrator)
        self.wire.answer(id, {"modes": _modes(talk)})

    def _set_mode(self, id: Id, params: Params) -> None:
        talk, mode = self._known(params), str(params.get("modeId"))
        if mode not in _MODES:
            raise Refusal(BAD_PARAMS, "there is no such mode")
        changed = talk.permissionless != (mode == "permissionless")
        talk.permissionless = mode == "permissionless"
        self.wire.answer(id, {})
        if changed:
            update = {"sessionUpdate": "current_mode_update", "currentModeId": mode}
            self._tell(talk.past.native_id, update)

    def _prompt(self, id: Id, params: Params) -> None:
        self._known(params).prompt(id, _text(params.get("prompt")))

    # -- the conversation --------------------------------------------------------------------------

    def _place(self, params: Params) -> tuple[Journal, Path]:
        if self._talk is not None and self._talk.busy:
            raise Refusal(BAD_REQUEST, "a prompt is under way")
        cwd, servers = params.get("cwd"), params.get("mcpServers")
        if not isinstance(servers, list) or not isinstance(cwd, str) or "\0" in cwd:
            raise Refusal(BAD_PARAMS, "`cwd` is a path and `mcpServers` a list")
        workspace = Path(cwd)
        if not workspace.is_absolute() or not workspace.is_dir():
            raise Refusal(BAD_PARAMS, "`cwd` is no absolute path of a folder")
        return Journal(workspace), workspace

    def _open(self, journal: Journal, workspace: Path, past: Past) -> Conversation:
        self.leave()
        narrator = Narrator(partial(self._tell, past.native_id), workspace, chatty=self.chatty)
        doer = Doer(Hands(workspace), journal, narrator)
        self._talk = Conversation(self.wire, doer, narrator, past, self.permissionless)
        return self._talk

    def _known(self, params: Params) -> Conversation:
        if self._talk is None or self._talk.past.native_id != params.get("sessionId"):
            raise Refusal(NO_RESOURCE, "there is no such session")
        return self._talk

    def _tell(self, session: str, update: Update) -> None:
        self.wire.notify("session/update", {"sessionId": session, "update": update})


def _modes(talk: Conversation) -> Params:
    modes = [
        {"id": id, "name": name, "description": description}
        for id, (name, description) in _MODES.items()
    ]
    current = "permissionless" if talk.permissionless else "default"
    return {"currentModeId": current, "availableModes": modes}


def _text(blocks: object) -> str:
    if not isinstance(blocks, list):
        raise Refusal(BAD_PARAMS, "`prompt` is a list of blocks")
    text = "\n".join(map(_block, cast("list[object]", blocks)))
    if not text.strip():
        raise Refusal(BAD_PARAMS, "nothing was said")
    return text.encode(errors="replace").decode()  # half a surrogate pair is no text


def _block(given: object) -> str:
    block = mapping(given)
    key = {"text": "text", "resource_link": "uri"}.get(str(block.get("type")))
    text = block.get(key) if key else None
    if not isinstance(text, str):
        raise Refusal(BAD_PARAMS, "a block is text or a link, nothing else")
    return text
