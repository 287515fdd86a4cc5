"""Webhooks over HTTP, with hosts of the tests' own: who is heard, and what the log has of it."""

import hmac
import logging
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import httpx2
import pytest

from ao_core.engine.engine import Engine
from ao_core.engine.webhook_looks import Deliveries
from ao_core.engine.webhook_secrets import FILE, made_secret, secret_of
from ao_core.engine.webhooks import Reception, Webhooks
from ao_core.errors import BadRequest, Unauthorized, WrongState
from ao_core.ids import ProjectId, SessionId
from ao_core.model.session import PrFacts, PrReason, PrState, Session
from ao_core.slots.scm import Hooked, Notice, Posted
from ao_core.testing.clock import FakeClock
from ao_mcp.cli.http_checks import webhooks
from ao_mcp.cli.place import Place
from ao_mcp.http import webhooks as room
from ao_mcp.http.line import Line
from books import a_session, over
from faces.http_served import Served, served

SECRET = "a secret of some length"
JSON = "application/json"
OPEN = PrFacts(PrState.OPEN, PrReason.IN_PROGRESS, 1, "u", "c1")


class Host(Hooked):
    """Signs with the secret itself; what it posts is the names of what it is about."""

    name = "host"

    def __init__(
        self, repository: str = "acme/app", secret: str | None = SECRET, host: str = "example.com"
    ) -> None:
        self._repository, self._secret, self._host = repository, secret, host

    @property
    def host(self) -> str:
        return self._host

    @property
    def repository(self) -> str:
        return self._repository

    @property
    def events(self) -> Sequence[str]:
        return ("push",)

    async def secret(self) -> str | None:
        if self._secret == "unset":
            raise Unauthorized("webhook_secret: the variable X is not set")
        return self._secret

    def signed(self, posted: Posted, secret: str) -> bool:
        return hmac.compare_digest(posted.headers.get("x-signed", ""), secret)

    def noticed(self, posted: Posted) -> Notice:
        words = posted.body.decode().split()
        if not words or words[0] == "wrong":
            raise BadRequest("that is none")
        return Notice(posted.headers["x-id"], "push", words[0], branches=frozenset(words[1:]))


@dataclass
class Setting:
    """Projects of one engine, and what it was told."""

    home: Path
    hosts: Sequence[Host] = (Host(),)
    sessions: list[Session] = field(default_factory=list[Session])
    remembered: list[str] = field(default_factory=list[str])

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.projects = [
            SimpleNamespace(id=ProjectId(f"p{at}"), scm=host, home=SimpleNamespace(path=self.home))
            for at, host in enumerate(self.hosts)
        ]
        self.opened = list[str]()

        async def by_id(id: str) -> object:
            self.opened.append(id)
            raise WrongState("its repository is gone")

        async def nothing(kind: object) -> AsyncGenerator[Any]:
            yield SimpleNamespace(id="gone")

        def scan(kind: object) -> AsyncGenerator[Any]:
            return nothing(kind)

        def everyone(kind: object) -> Iterable[Session]:
            return iter(self.sessions)

        store = SimpleNamespace(scan=scan)
        records = SimpleNamespace(all=everyone, store=store)
        projects = SimpleNamespace(
            opened=lambda: self.projects, by_id=by_id, records=records,
            remember=self.remembered.extend,
        )  # fmt: skip
        made = SimpleNamespace(
            webhooks=Webhooks(self.clock), clock=self.clock, records=records, projects=projects
        )
        self.engine = cast("Engine", made)

    @property
    def heard(self) -> list[Reception]:
        return [one.reception for one in self.engine.webhooks.after(0)]


@asynccontextmanager
async def listening(tmp_path: Path, *hosts: Host) -> AsyncGenerator[tuple[Served, Setting]]:
    setting = Setting(tmp_path, hosts or (Host(),))
    one = room.WebhookRoom(setting.engine)
    async with served(tmp_path / "home", rooms=[one]) as there:
        yield there, setting


async def post(
    there: Served, body: bytes, host: str = "host", id: str = "1", secret: str = SECRET,
    kind: str = JSON, **more: str,
) -> httpx2.Response:  # fmt: skip
    url = there.url.removesuffix("/mcp") + f"/webhooks/{host}"
    headers = {"content-type": kind, "x-signed": secret, "x-id": id, **more}
    async with httpx2.AsyncClient() as http:
        return await http.post(url, content=body, headers=headers)


async def test_what_is_signed_is_taken_and_no_token_is_asked_for(tmp_path: Path) -> None:
    async with listening(tmp_path) as (there, setting):
        setting.sessions.append(a_session(project=ProjectId("p0"), branch="ao/x"))
        answer = await post(there, b"acme/app ao/x other")
        assert (answer.status_code, answer.json()) == (202, {"said": "looked at"})
        assert setting.heard == [Reception.TAKEN]
        with anyio.fail_after(5):
            assert await setting.engine.webhooks.due() == {"app-1"}
        assert (await there.ask(Authorization="")).status_code == 401  # as ever


@pytest.mark.parametrize("secret", ["", "wrong", SECRET + "x", SECRET[:-1]])
async def test_what_is_not_signed_is_refused(tmp_path: Path, secret: str) -> None:
    async with listening(tmp_path) as (there, setting):
        answer = await post(there, b"acme/app ao/x", secret=secret)
        assert answer.status_code == 401
        assert "acme" not in answer.text
        assert setting.heard == [Reception.UNSIGNED]
        assert not setting.engine.webhooks.told()


@pytest.mark.parametrize(
    ("host", "asked"), [(None, "host"), ("unset", "host"), (SECRET, "other"), (SECRET, "%2e%2e")]
)
async def test_without_a_secret_everything_is_refused_and_nothing_is_read(
    tmp_path: Path, host: str | None, asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(tmp_path, Host(secret=host)) as (there, setting):
        for secret in (SECRET, ""):
            answer = await post(there, b"acme/app ao/x", host=asked, secret=secret)
            assert answer.status_code == 401
        assert setting.heard == [Reception.NO_SECRET]
        head = there.head(50_000_000, path=f"/webhooks/{asked}")
        assert b"HTTP/1.1 401" in await there.raw(head, b"x" * 1_000)
    said = [one.getMessage() for one in caplog.records if "not set" in one.getMessage()]
    assert len(said) == (host == "unset")


async def test_a_replay_is_not_looked_at_again_whatever_id_it_has(tmp_path: Path) -> None:
    async with listening(tmp_path) as (there, setting):
        bodies = [(b"acme/app a", "1"), (b"acme/app a", "1"), (b"acme/app a", "2"),
                  (b"acme/app b", "1"), (b"acme/app b", "3")]  # fmt: skip
        answers = [(await post(there, body, id=id)).status_code for body, id in bodies]
        assert answers == [202] * 5
        taken, again = Reception.TAKEN, Reception.REPEATED
        assert setting.heard == [taken, again, again, again, taken]


async def test_a_repository_of_no_project_is_told_nothing(tmp_path: Path) -> None:
    async with listening(tmp_path, Host("acme/app")) as (there, setting):
        answer = await post(there, b"acme/other ao/x")
        assert answer.status_code == 404
        assert "acme" not in answer.text
        assert setting.heard == [Reception.UNKNOWN]
        assert (await post(there, b"ACME/App ao/x")).status_code == 202


async def test_what_is_no_delivery_is_refused(tmp_path: Path) -> None:
    async with listening(tmp_path) as (there, setting):
        assert (await post(there, b"wrong event")).status_code == 400
        assert (await post(there, b"")).status_code == 400
        assert set(setting.heard) == {Reception.MALFORMED}


@pytest.mark.parametrize("kind", ["", "text/plain", "application/x-www-form-urlencoded"])
async def test_another_content_type_is_refused(tmp_path: Path, kind: str) -> None:
    async with listening(tmp_path) as (there, setting):
        assert (await post(there, b"acme/app ao/x", kind=kind)).status_code == 415
        assert setting.heard == [Reception.WRONG_TYPE]
        assert (await post(there, b"acme/app x", kind=f"{JSON}; charset=utf-8")).status_code == 202


async def test_only_a_post_is_taken_and_only_here(tmp_path: Path) -> None:
    async with listening(tmp_path) as (there, _):
        base = there.url.removesuffix("/mcp")
        async with httpx2.AsyncClient() as http:
            assert (await http.get(f"{base}/webhooks/host")).status_code == 405
            for path in ("/webhooks/", "/webhooks/host/more", "/webhooks/../mcp"):
                answer = await http.post(httpx2.URL(base, path=path), json={})
                assert answer.status_code in (401, 404)


async def test_pages_and_hosts_of_others_may_not_post(tmp_path: Path) -> None:
    async with listening(tmp_path) as (there, setting):
        for header, value in (("Origin", "https://evil.example"), ("Host", "evil.example")):
            answer = await post(there, b"acme/app ao/x", **{header: value})
            assert answer.status_code in (403, 421)
        assert setting.heard == []


# -- large, slow and many --------------------------------------------------------------------------


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("body", "rest"):
        monkeypatch.setattr(Line, name, 0.3)


def head(there: Served, length: int | None = None, **more: str) -> bytes:
    more = {"Authorization": "", "x-signed": SECRET, "x-id": "1", **more}
    return there.head(length, path="/webhooks/host", **more)


async def test_a_giant_body_is_cut_off_whether_it_says_so_or_not(
    tmp_path: Path, impatient: None
) -> None:
    async with listening(tmp_path) as (there, setting):
        assert b"HTTP/1.1 413" in await there.raw(head(there, 50_000_000), b"x" * 100_000)
        chunk = b"%x\r\n%s\r\n" % (room.BODY, b"x" * room.BODY)
        chunked = head(there, None, **{"Transfer-Encoding": "chunked"})
        assert b"HTTP/1.1 413" in await there.raw(chunked, *[chunk] * 3)
        assert setting.heard == [Reception.TOO_LARGE]
        assert (await post(there, b"acme/app ao/x")).status_code == 202


async def test_a_body_of_just_the_limit_is_read(tmp_path: Path) -> None:
    async with listening(tmp_path) as (there, _):
        body = b"acme/app ao/x".ljust(room.BODY)
        assert (await post(there, body)).status_code == 202
        assert (await post(there, body + b" ", id="2")).status_code == 413


async def test_a_body_that_never_ends_ends_the_connection_and_harms_nobody(
    tmp_path: Path, impatient: None
) -> None:
    async with listening(tmp_path) as (there, setting):
        line = await there.connect()
        await line.send(head(there, 1_000) + b"acme")
        assert await line.rest() == b""
        with anyio.fail_after(10):
            assert (await post(there, b"acme/app ao/x")).status_code == 202
            while Reception.CUT not in setting.heard:
                await setting.engine.webhooks.news(len(setting.heard))


async def test_only_so_many_are_read_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "AT_ONCE", 1)
    async with listening(tmp_path) as (there, setting):
        line = await there.connect()
        await line.send(head(there, 1_000, Expect="100-continue"))
        assert b"100 Continue" in await line.until(b"\r\n\r\n")  # so its body is awaited
        answer = await post(there, b"acme/app ao/x")
        assert answer.status_code == 503
        assert answer.json()["retryable"]
        await line.close()
        with anyio.fail_after(10):
            while Reception.CUT not in setting.heard:
                await setting.engine.webhooks.news(len(setting.heard))
        assert (await post(there, b"acme/app ao/x")).status_code == 202


async def test_the_log_has_each_reason_once_and_nothing_of_what_was_sent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with listening(tmp_path) as (there, setting):
        await post(there, b"acme/app first")
        for id in range(20):
            await post(there, b"acme/app first", id=f"id-{id}")
            await post(there, b"acme/app ao/SPOKEN", secret="wrong-SIGNED")
            await post(there, b"acme/SPOKEN ao/x", id=f"other-{id}")
            await post(there, b"wrong SPOKEN")
            await post(there, b"x", host="SPOKEN")
        await setting.clock.advance(61)
        await post(there, b"wrong SPOKEN")
    said = [one.getMessage() for one in caplog.records if one.name.startswith("ao")]
    assert sorted(said) == [
        "a webhook came to nothing: no secret is configured",
        "a webhook of host came to nothing: for a repository of no project",
        "a webhook of host came to nothing: not a delivery of this host",
        "a webhook of host came to nothing: not a delivery of this host"
        " (19 more since this was said last)",
        "a webhook of host came to nothing: not signed with the secret",
        "a webhook of host came to nothing: repeated",
        "webhooks of gone are not heard: its repository is gone",
    ]
    everything = "\n".join(said)
    assert not any(word in everything for word in ("SPOKEN", "SIGNED", SECRET))
    assert SECRET in setting.remembered  # so that no log can have it by accident


# -- who is told -----------------------------------------------------------------------------------


def signed(body: bytes, id: str = "1", secret: str = SECRET) -> Posted:
    return Posted({"x-signed": secret, "x-id": id}, body, 0.0)


async def test_every_project_of_the_repository_is_told_and_no_other(tmp_path: Path) -> None:
    elsewhere = Host("acme/app", "a third secret", "elsewhere.example")
    hosts = [Host("acme/app"), Host("acme/app", "another secret"), Host("acme/lib"),
             Host("acme/app", None), elsewhere]  # fmt: skip
    setting = Setting(tmp_path, hosts)
    setting.sessions += [
        a_session(f"s-{at}", project=ProjectId(f"p{at}"), branch="ao/x") for at in range(5)
    ]
    heard = await Deliveries(setting.engine).take("host", signed(b"acme/app ao/x"))
    assert heard.sessions == ("s-0", "s-1", "s-3")
    assert [one.project for one in setting.engine.webhooks.told()] == ["p0", "p1", "p3"]
    other = signed(b"acme/lib x", "2", "another secret")
    lib = await Deliveries(setting.engine).take("host", other)
    assert lib.reception is Reception.UNKNOWN  # with a secret that is not of that repository


async def test_whose_pull_request_is_meant_is_found_in_every_way(tmp_path: Path) -> None:
    setting = Setting(tmp_path)

    class Named(Host):
        def noticed(self, posted: Posted) -> Notice:
            kind, word = posted.body.decode().split()
            more: dict[str, frozenset[Any]] = {
                kind: frozenset([int(word) if kind == "pulls" else word])
            }
            return Notice(posted.headers["x-id"], "push", "acme/app", **more)

    setting.projects[0].scm = Named()
    p0 = ProjectId("p0")
    setting.sessions += [
        a_session("s-1", project=p0, pr=OPEN, base="main", branch="ao/1", commits=("c1",)),
        a_session("s-2", project=p0, base="main", branch="ao/2", commits=("c2", "c3")),
        over(a_session("s-3", project=p0, pr=OPEN, base="main", branch="ao/3")),
        over(a_session("s-4", project=p0, base="main", branch="ao/4", commits=("c2",))),
    ]
    found: dict[str, tuple[SessionId, ...]] = {}
    for said in ("pulls 1", "branches ao/2", "commits c3", "moved main", "branches ao/4",
                 "moved other"):  # fmt: skip
        heard = await Deliveries(setting.engine).take("host", signed(said.encode(), said))
        found[said] = heard.sessions
    assert found == {
        "pulls 1": ("s-1", "s-3"), "branches ao/2": ("s-2",), "commits c3": ("s-2",),
        "moved main": ("s-1", "s-3"), "branches ao/4": (), "moved other": (),
    }  # fmt: skip


async def test_what_cannot_be_opened_keeps_nobody_and_is_tried_once(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    deliveries = Deliveries(setting.engine)
    assert await deliveries.are_awaited("host")
    assert await deliveries.are_awaited("host")
    assert setting.opened == ["gone"]


# -- the secret ------------------------------------------------------------------------------------


async def test_a_secret_that_the_home_keeps_is_made_and_replaced(tmp_path: Path) -> None:
    setting = Setting(tmp_path, [Host(secret=None)])
    engine, project = setting.engine, cast("Any", setting.projects[0])
    assert await secret_of(engine, project) is None
    first = await made_secret(engine, project)
    assert await secret_of(engine, project) == first
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600
    assert len(first) >= 43
    second = await made_secret(engine, project)
    assert await secret_of(engine, project) == second != first
    engine.webhooks.secrets.clear()  # as another engine finds it
    assert await secret_of(engine, project) == second
    assert {first, second} <= set(setting.remembered)


async def test_a_secret_that_others_can_read_is_none(tmp_path: Path) -> None:
    setting = Setting(tmp_path, [Host(secret=None)])
    project = cast("Any", setting.projects[0])
    await made_secret(setting.engine, project)
    (tmp_path / FILE).chmod(0o644)
    setting.engine.webhooks.secrets.clear()
    assert await secret_of(setting.engine, project) is None


async def test_a_secret_that_is_configured_is_not_replaced_here(tmp_path: Path) -> None:
    setting = Setting(tmp_path)
    project = cast("Any", setting.projects[0])
    assert await secret_of(setting.engine, project) == SECRET
    with pytest.raises(WrongState):
        await made_secret(setting.engine, project)


# -- what `ao doctor` says -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missed", "state", "word"), [(False, "ok", "10 minutes"), (True, "warn", "every minute")]
)
def test_the_doctor_tells_whether_anything_was_missed(missed: bool, state: str, word: str) -> None:
    class Connection:
        def __enter__(self) -> "Connection":
            return self

        def __exit__(self, *exc: object) -> None:
            """Nothing to close."""

        def call(self, *asked: object) -> dict[str, object]:
            return {"webhooks": [{"project": "app", "last": "2026-01-01", "missed": missed}]}

    place = cast("Place", SimpleNamespace(connect_running=Connection))
    (check,) = webhooks(place)
    assert (check.name, check.state) == ("webhooks app", state)
    assert word in check.found
    assert (check.remedy is None) is not missed
    assert webhooks(cast("Place", SimpleNamespace(connect_running=lambda: None))) == []
