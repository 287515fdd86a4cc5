"""The scripted lead: does what a model would do with the tools, as any client of `ao-mcp` does."""

import sys
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, StdioServerParameters, stdio_client

from ao_mcp.demo.sample import ISSUES, Issue
from ao_mcp.demo.stage import Stage, Unexpected
from ao_mcp.demo.view import View

Reply = dict[str, Any]

_WAIT = 20.0
_LOST = ("failed", "uncertain")
_FAILED = ("errored", "stuck", "terminated")


@asynccontextmanager
async def connected(stage: Stage) -> AsyncGenerator[Client]:
    """A client of `ao-mcp`, started in the repository as its configuration would say."""
    script = Path(sys.executable).with_name("ao-mcp")
    command = [str(script)] if script.exists() else [sys.executable, "-I", "-m", "ao_mcp"]
    server = StdioServerParameters(
        command=command[0], args=command[1:], env=dict(stage.environment), cwd=stage.repository
    )
    with (stage.folder / "ao-mcp.log").open("w") as errors:
        async with Client(stdio_client(server, errors)) as client:
            yield client


@dataclass(slots=True)
class Work:
    """One issue under way."""

    number: str
    issue: Issue
    session: str = ""
    path: Path = Path()
    ready: bool = False
    killed: bool = False
    told: bool = False
    handled: set[str] = field(default_factory=set[str])


@dataclass(frozen=True, slots=True)
class Salvage:
    """What a killed worker had not committed, and where it went."""

    session: str
    ref: str
    files: dict[str, bytes]


@dataclass(slots=True)
class Lead:
    """Delegates, waits, answers, checks and merges."""

    client: Client
    view: View
    team: dict[str, Work] = field(default_factory=dict[str, Work])
    cursor: int = 0
    salvages: list[Salvage] = field(default_factory=list[Salvage])
    commits: list[str] = field(default_factory=list[str])
    conflicts: int = 0

    async def lead(self) -> None:
        """The whole of it."""
        tools = (await self.client.list_tools()).tools
        self.view.step("lead", f"connected to ao-mcp over stdio: {len(tools)} tools")
        works = await self._issues()
        await self._delegate(works)
        await self._heed(works)
        await self._look_at(works)
        for work in works:
            await self._merge(work)

    # -- delegate ----------------------------------------------------------------------------------

    async def _issues(self) -> list[Work]:
        works: list[Work] = []
        for issue in ISSUES:
            made = await self._call("create_issue", title=issue.title, body=issue.body)
            self.view.row(made["issue"], title=issue.title, status="open")
            works.append(Work(made["issue"], issue))
        self.view.step("create_issue", f"{len(works)} issues in the project's own tracker")
        return works

    async def _delegate(self, works: list[Work]) -> None:
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for work in works:
                tasks.start_soon(self._spawn, work)
        took = time.monotonic() - began
        self.view.step("spawn", f"{len(works)} workers run, started in parallel in {took:.2f} s")
        first = works[0]
        again = await self._call("spawn", issue=first.number, key=_key(first))
        self._must(again["session"] == first.session, "the same key started a second worker")
        self.view.step("spawn", "once more with the same key: nothing is started", first.session)

    async def _spawn(self, work: Work) -> None:
        self.view.row(work.number, status="spawning")
        began = time.monotonic()
        made = await self._call("spawn", issue=work.number, key=_key(work))
        work.session, work.path = made["session"], Path(made["path"])
        self.team[work.session] = work
        self.cursor = min(self.cursor or made["cursor"], made["cursor"])
        took = time.monotonic() - began
        self.view.row(work.number, session=work.session, status=made["status"], spawn=took)

    # -- wait and answer ---------------------------------------------------------------------------

    async def _heed(self, works: Iterable[Work]) -> None:
        """Wait, and do what each worker needs, until all of these have done their work."""
        awaited = list(works)
        while not all(work.ready for work in awaited):
            news = await self._call("wait", cursor=self.cursor, seconds=_WAIT)
            moved, self.cursor = news["cursor"] > self.cursor, news["cursor"]
            self._must(moved, f"nothing happened for {_WAIT:g} s")
            for line in news["changed"]:
                await self._heard(self.team[line["session"]], line)

    async def _heard(self, work: Work, line: Reply) -> None:
        self.view.row(work.number, status=line["status"])
        if line["attention"] == "none" or work.ready:
            return
        shown = await self._call("show", session=work.session)
        self.view.row(work.number, status=shown["status"])
        await self._act(work, shown)

    async def _act(self, work: Work, shown: Reply) -> None:
        """Once for each question, request and turn."""
        pending: list[Reply] = shown["permissions_pending"]
        about: str | None = pending[0]["request"] if pending else shown.get("question")
        turned = shown["state"] == "idle"
        fact = f"{shown['state']}: {shown.get('report') if turned else about}"
        if fact in work.handled:
            return
        work.handled.add(fact)
        if pending:
            await self._allow(work, pending[0])
        elif about and work.issue.doomed and not work.killed:
            await self._kill(work)
        elif about and work.issue.answer:
            await self._answer(work, about)
        elif turned:
            await self._turn_ended(work, shown)
        else:
            self._must(shown["status"] not in _FAILED, f"{work.session}: {shown['why']}")

    async def _allow(self, work: Work, asked: Reply) -> None:
        self.view.step("wait", f"it asks: may it run `{asked['arguments']}`?", work.session)
        done, took = await self._timed("answer", session=work.session, decision="allow")
        self.view.row(work.number, status="working", answer=took)
        self.view.step("answer", f"allow: {done['state']} in {took:.2f} s", work.session)

    async def _answer(self, work: Work, question: str) -> None:
        self.view.step("wait", f"it asks: {question}", work.session)
        text = work.issue.answer
        state, took = await self._told("answer", work, text=text)
        self.view.row(work.number, status="working", answer=took)
        self.view.step("answer", f"“{text}”: {state} in {took:.2f} s", work.session)

    async def _turn_ended(self, work: Work, shown: Reply) -> None:
        self.view.step("wait", f"its turn has ended: {shown['report']}", work.session)
        if work.issue.message and not work.told:
            work.told = True
            await self._send(work, work.issue.message)
        else:
            work.ready = True

    async def _send(self, work: Work, text: str) -> None:
        state, took = await self._told("send", work, message=text)
        self.view.row(work.number, status="working")
        first = text.partition("\n")[0]
        self.view.step("send", f"“{first}”: {state} in {took:.2f} s", work.session)

    async def _told(self, tool: str, work: Work, **text: str) -> tuple[str, float]:
        """Tell a worker something, and see it through; whatever it asks meanwhile is denied."""
        began, cursor = time.monotonic(), self.cursor
        receipt = await self._call(tool, session=work.session, **text)
        while receipt["state"] != "accepted":
            self._must(receipt["state"] not in _LOST, f"the message is {receipt['state']}")
            shown = await self._call("show", session=work.session)
            for asked in shown["permissions_pending"]:
                await self._deny(work, asked)
            news = await self._call(
                "wait", sessions=[work.session], until="any", cursor=cursor, seconds=_WAIT
            )
            receipt, cursor = shown["messages"][-1], news["cursor"]
        return receipt["state"], time.monotonic() - began

    async def _deny(self, work: Work, asked: Reply) -> None:
        said = f"in the middle of a message it asks: may it run `{asked['arguments']}`?"
        self.view.step("wait", said, work.session)
        arguments = {"decision": "deny", "request": asked["request"]}
        done, took = await self._timed("answer", session=work.session, **arguments)
        self.view.step("answer", f"deny: {done['state']} in {took:.2f} s", work.session)

    # -- kill and bring back -----------------------------------------------------------------------

    async def _kill(self, work: Work) -> None:
        """Kill one on purpose while nothing of its work is committed, and bring it back."""
        work.killed = True
        before = {name: (work.path / name).read_bytes() for name in work.issue.files}
        killed, took = await self._timed("kill", session=work.session)
        self.view.row(work.number, status=killed["status"])
        self._must(not work.path.exists(), "the workspace of a killed worker is still there")
        self.salvages.append(Salvage(work.session, killed["salvage"], before))
        said = f"on purpose, nothing committed; saved in {took:.2f} s as {killed['salvage']}"
        self.view.step("kill", said, work.session)
        await self._restore(work, before)

    async def _restore(self, work: Work, before: dict[str, bytes]) -> None:
        restored, took = await self._timed("restore", session=work.session)
        work.path = Path(restored["path"])
        after = {name: (work.path / name).read_bytes() for name in before}
        self._must(after == before, "what was brought back is not what was saved")
        work.handled.clear()
        self.view.row(work.number, status=restored["status"])
        self.view.step("restore", f"back in {took:.2f} s, every byte in place", work.session)

    # -- check and merge ---------------------------------------------------------------------------

    async def _look_at(self, works: list[Work]) -> None:
        for work, what in zip(works, ("diff", "turns"), strict=False):
            piece = await self._call("read", session=work.session, what=what, max_chars=2_000)
            self._must(bool(piece["text"]), f"there is no {what} to read")
            said = f"its {what}: {piece['total']} characters"
            self.view.step("read", said, work.session)

    async def _merge(self, work: Work) -> None:
        await self._mend(work)
        done, took = await self._timed("merge", session=work.session, key=f"merge-{work.number}")
        self._must(done["merged"], f"{work.session} was not merged: {done}")
        commit = str(done["commit"])
        self.commits.append(commit)
        self.view.row(work.number, status="merged", merge=took, commit=commit)
        said = f"into {done['target']} as {commit[:7]} in {took:.2f} s"
        self.view.step("merge", said, work.session)
        note = f"Merged as {commit[:12]}."
        await self._call("update_issue", issue=work.number, state="closed", comment=note)

    async def _mend(self, work: Work) -> None:
        """Predict the merge; a conflict goes back to the worker."""
        wanted = await self._call("merge", session=work.session, dry_run=True)
        if not wanted["conflicts"]:
            return
        self.conflicts += 1
        files = ", ".join(wanted["conflicts"])
        self.view.row(work.number, status=wanted["outcome"])
        self.view.step("merge", f"dry run, nothing is moved: conflict in {files}", work.session)
        self._must(bool(work.issue.fix), f"{work.session} is in conflict: {files}")
        work.ready = False
        await self._send(work, work.issue.fix)
        await self._heed([work])

    # -- calls -------------------------------------------------------------------------------------

    async def _timed(self, tool: str, **arguments: object) -> tuple[Reply, float]:
        began = time.monotonic()
        return await self._call(tool, **arguments), time.monotonic() - began

    async def _call(self, tool: str, **arguments: object) -> Reply:
        done = await self.client.call_tool(tool, arguments)
        reply: Reply = done.structured_content or {}
        if done.is_error:
            message = f"`{tool}` failed: {reply.get('message')}"
            raise Unexpected(message, hint=reply.get("hint"))
        return reply

    @staticmethod
    def _must(true: bool, otherwise: str) -> None:
        if not true:
            raise Unexpected(f"It did not come out as expected: {otherwise}.")


def _key(work: Work) -> str:
    return f"demo-{work.number}"
