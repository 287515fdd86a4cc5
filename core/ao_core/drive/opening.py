"""How a conversation is opened: which request comes next, judged by the ledger alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from acp import PROTOCOL_VERSION, schema
from pydantic import BaseModel

from ao_core.drive.ledger import META, Ledger
from ao_core.drive.messages import Params


@dataclass(frozen=True, slots=True)
class Opening:
    """What the agent is told: its folder, our own servers, the session and mode it shall have.

    `counts`: its turns end with the tokens of all the session.
    """

    workspace: Path
    client: str = "ao-mcp"
    version: str = "0"
    servers: tuple[schema.McpServerStdio, ...] = ()
    native_id: str | None = None
    mode: str | None = None
    counts: bool = True


def next_request(ledger: Ledger, opening: Opening) -> tuple[str, Params] | None:
    """The next step; None while an answer is awaited, and once all is done."""
    if _settling(ledger):
        return None
    if "initialize" not in ledger.told:
        return "initialize", _initialize(opening)
    if ledger.peer is None:
        return None
    return _opens(ledger, opening) or _moves(ledger, opening)


def is_open(ledger: Ledger, opening: Opening) -> bool:
    """Whether prompts may be sent."""
    done = "initialize" in ledger.told and next_request(ledger, opening) is None
    return done and ledger.native_id is not None and not _settling(ledger)


def _settling(ledger: Ledger) -> bool:
    return any(sent.method != "session/prompt" for sent in ledger.sent.values())


def _opens(ledger: Ledger, opening: Opening) -> tuple[str, Params] | None:
    if "session/new" in ledger.told or ledger.loaded:
        return None
    known = opening.native_id is not None and ledger.peer is not None and ledger.peer.loads
    if known and "session/load" not in ledger.told:
        load = schema.LoadSessionRequest(
            session_id=opening.native_id or "",
            cwd=str(opening.workspace),
            mcp_servers=list(opening.servers),
        )
        return "session/load", _dumped(load)
    new = schema.NewSessionRequest(cwd=str(opening.workspace), mcp_servers=list(opening.servers))
    return "session/new", _dumped(new)


def _moves(ledger: Ledger, opening: Opening) -> tuple[str, Params] | None:
    begun = "session/set_mode" in ledger.told or "session/prompt" in ledger.told
    if begun or opening.mode in (None, ledger.mode):  # later it is the agent's own affair
        return None
    mode = schema.SetSessionModeRequest(
        session_id=ledger.native_id or "", mode_id=opening.mode or ""
    )
    return "session/set_mode", _dumped(mode)


def _initialize(opening: Opening) -> Params:
    return _dumped(
        schema.InitializeRequest(
            protocol_version=PROTOCOL_VERSION,
            client_capabilities=schema.ClientCapabilities(),
            client_info=schema.Implementation(name=opening.client, version=opening.version),
        )
    )


def prompt(native_id: str, text: str, message: str) -> Params:
    """A prompt that carries the outbox's name for it."""
    asked = schema.PromptRequest(
        session_id=native_id,
        prompt=[schema.TextContentBlock(type="text", text=text)],
        field_meta={META: {"message": message}},
    )
    return _dumped(asked)


def servers(name: str, argv: Sequence[str], env: dict[str, str]) -> tuple[schema.McpServerStdio]:
    """A server of ours that the agent starts for itself."""
    variables = [schema.EnvVariable(name=key, value=value) for key, value in env.items()]
    return (schema.McpServerStdio(name=name, command=argv[0], args=list(argv[1:]), env=variables),)


def _dumped(params: BaseModel) -> Params:
    return params.model_dump(mode="json", by_alias=True, exclude_none=True)
