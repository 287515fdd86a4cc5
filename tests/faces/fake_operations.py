"""Operations of the tests' own: one that answers, one that waits, some that fail."""

from typing import Annotated, Literal

import anyio
from pydantic import Field

from ao_core.engine.caller import Role
from ao_core.errors import BadRequest, Several, WrongState
from ao_core.ids import SessionId
from ao_mcp.operations.contract import (
    PEOPLE,
    WORKERS,
    AnyOperation,
    Call,
    Operation,
    Reply,
    Request,
)

TOKEN = "5f0c0ffee0c0ffee"


class EchoRequest(Request):
    text: Annotated[str, Field(description="What to say back.")]
    times: Annotated[int, Field(ge=1, le=100_000, description="How often.")] = 1
    tone: Annotated[Literal["plain", "loud"] | None, Field(description="How to say it.")] = None


class Line(Reply):
    text: str
    title: str | None = None


class EchoReply(Reply):
    said: str
    caller: str
    lines: list[Line]
    cwd: str | None = None


class WaitRequest(Request):
    seconds: float = 30.0
    steps: int = 0


class WaitReply(Reply):
    said: str


class FailRequest(Request):
    how: Literal["wrong", "several", "group", "secret"] = "wrong"


async def echo(call: Call, request: EchoRequest) -> EchoReply:
    text = request.text.upper() if request.tone == "loud" else request.text
    return EchoReply(
        said=text * request.times,
        caller=f"{call.caller.role} {call.caller.client}",
        lines=[Line(text=text)],
        cwd=str(call.caller.cwd) if call.caller.cwd else None,
    )


async def wait(call: Call, request: WaitRequest) -> WaitReply:
    for step in range(request.steps):
        await call.progress(step + 1, request.steps, f"step {step + 1}")
    await anyio.sleep(request.seconds)
    return WaitReply(said="waited")


async def fail(call: Call, request: FailRequest) -> WaitReply:
    wrong = WrongState("It is not running.", hint="Start it with `restore`.")
    if request.how == "wrong":
        raise wrong
    if request.how == "several":
        raise Several([wrong, BadRequest("No.")])
    if request.how == "group":
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_raise, wrong)
    raise RuntimeError("the password is ghp_abcdefghijklmnopqrstuvwxyz012345")


async def who(call: Call, request: WaitRequest) -> WaitReply:
    return WaitReply(said=f"{call.caller.session} {sorted(call.caller.environment)}")


async def _raise(error: Exception) -> None:
    raise error


async def authenticate(role: Role, token: str) -> SessionId | None:
    return SessionId("app-7") if role is Role.WORKER and token == TOKEN else None


OPERATIONS: tuple[AnyOperation, ...] = (
    Operation(
        "echo", "Echo", "Say it back.", EchoRequest, EchoReply, echo,
        read_only=True, idempotent=True,
    ),
    Operation("wait", "Wait", "Wait for a while.", WaitRequest, WaitReply, wait, read_only=True),
    Operation("fail", "Fail", "Fail.", FailRequest, WaitReply, fail, destructive=True),
    Operation("report", "Report", "Tell.", WaitRequest, WaitReply, who, roles=WORKERS),
    Operation("trust", "Trust", "Trust.", WaitRequest, WaitReply, who, tool=False, roles=PEOPLE),
)  # fmt: skip
