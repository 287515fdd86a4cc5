"""Which project a call is about, and the plugins that serve it, opened once and shared."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import anyio

from ao_core.clock import Clock
from ao_core.config.kept import keep, kept
from ao_core.config.load import Loaded, find, load, project, zero
from ao_core.config.models import EffectiveProject, PluginChoice
from ao_core.config.secret import EnvironmentSecrets, reveal
from ao_core.config.trust import require as require_trust
from ao_core.engine import environment
from ao_core.engine.caller import Caller
from ao_core.engine.environment import Grant
from ao_core.engine.home import Home
from ao_core.engine.project import Project
from ao_core.engine.records import Records
from ao_core.engine.scoped import Scoped
from ao_core.engine.unusable import Unusable
from ao_core.errors import (
    AoError,
    BadRequest,
    ConfigError,
    NotInstalled,
    PluginError,
    Unknown,
)
from ao_core.git.repository import Git
from ao_core.ids import ProjectId, folder_hash, project_id
from ao_core.index import Slot
from ao_core.model.event import EventKind, NewEvent, Told
from ao_core.model.session import Drive
from ao_core.plugin import Plugin, Scope
from ao_core.process import run
from ao_core.redact import Redactor
from ao_core.registry import Registry, detect, opened
from ao_core.slots.agent import Agent
from ao_core.slots.notifier import Notifier
from ao_core.slots.runtime import Piped, Runtime
from ao_core.slots.scm import Scm
from ao_core.slots.tracker import Tracker
from ao_core.slots.workspace import Workspace
from ao_core.store.contract import Put
from ao_core.store.records import PROJECT, ProjectRecord

_log = logging.getLogger(__name__)
_HOLDS_PIPES = "process"
_FIRST_AGENTS = "claude-code codex opencode gemini copilot goose cline qwen-code continue aider"


@dataclass(slots=True)
class Projects:
    """The open projects of one engine."""

    home: Home
    records: Records
    registry: Registry
    clock: Clock
    login: Mapping[str, str]
    stack: AsyncExitStack
    redactor: Redactor = field(default_factory=Redactor)
    _open: dict[ProjectId, Project] = field(default_factory=dict[ProjectId, Project])
    _runtimes: dict[str, Runtime[Any]] = field(default_factory=dict[str, "Runtime[Any]"])
    _opening: anyio.Lock = field(default_factory=anyio.Lock)
    _lock: anyio.Lock = field(default_factory=anyio.Lock)

    # -- which project ---------------------------------------------------------------------------

    async def for_caller(self, caller: Caller, name: str | None) -> Project:
        """By argument; else by what the caller or its directory says; else the only one."""
        loaded = await self._loaded(caller)
        name = caller.project if name is None else name
        if name is not None:
            return await self._named(loaded, project_id(name))
        here = await self._here(caller)
        if here is not None:
            return await self._at(loaded, here)
        if len(loaded.settings.projects) == 1:
            return await self._named(loaded, ProjectId(next(iter(loaded.settings.projects))))
        raise BadRequest(
            "Which project is meant? The call did not come from inside a git repository.",
            hint="Name one with `project`, or work inside a repository. `list` shows projects.",
        )

    async def _loaded(self, caller: Caller) -> Loaded:
        environment = {**self.login, **caller.environment}
        return await self._read(caller.cwd, caller.config, environment)

    async def _read(
        self, start: Path | None, explicit: Path | None, environment: Mapping[str, str]
    ) -> Loaded:
        home = self.home.path

        def reading() -> Loaded:
            path = find(start, explicit, environment, home)
            return load(path, environment=environment, home=home)

        loaded = await anyio.to_thread.run_sync(reading)
        self.remember(loaded.secrets)
        return loaded

    def remember(self, secrets: Iterable[str]) -> None:
        """Keep these out of the log from here on."""
        for secret in secrets:
            self.redactor.learn(secret)

    async def _here(self, caller: Caller) -> Path | None:
        if caller.cwd is None or not await anyio.Path(caller.cwd).is_dir():
            return None
        try:
            return (await Git(run, caller.cwd).worktrees())[0].path
        except ConfigError:
            return None

    async def _named(self, loaded: Loaded, id: ProjectId) -> Project:
        if id in loaded.settings.projects:
            return await self._opened(project(loaded, id), loaded.path, loaded)
        if id in self._open:
            return self._open[id]
        return await self.by_id(id)

    async def _at(self, loaded: Loaded, here: Path) -> Project:
        return await self._opened(*_settings_at(loaded, here), loaded)

    async def settings_now(self, known: Project) -> EffectiveProject:
        """What its configuration says by now; nothing is opened anew for that."""
        loaded = await self._read(known.repository, known.config_path, self.login)
        return _settings_at(loaded, known.repository)[0]

    async def current(self, known: Project) -> EffectiveProject:
        """The same, as far as a person trusts it; else as it was when it was opened."""
        try:
            loaded = await self._read(known.repository, known.config_path, self.login)
            settings, path = _settings_at(loaded, known.repository)
            await self._trusted(settings, path)
        except AoError as exc:
            _log.info("project %s goes on as it was: %s", known.id, exc.message)
            return known.settings
        return settings

    async def settings_for(
        self, caller: Caller, name: str | None
    ) -> tuple[EffectiveProject, Path | None]:
        """A project's settings and the file they are from, without opening it."""
        loaded = await self._loaded(caller)
        here = await self._here(caller)
        for id in loaded.settings.projects:
            settings = project(loaded, id)
            if name == id or (name is None and here and _same(settings.path, here)):
                return settings, loaded.path
        if name is None and here is not None:
            return zero(here, loaded), None
        raise Unknown("There is no such project.", hint="Run it inside the repository.")

    def at_hand(self, id: ProjectId) -> Project | None:
        """One that is open."""
        return self._open.get(id)

    def opened(self) -> Sequence[Project]:
        """Those that are open."""
        return list(self._open.values())

    async def by_id(self, id: ProjectId) -> Project:
        """A project that is open, or was worked on before."""
        if id in self._open:
            return self._open[id]
        row = await self.records.store.read(PROJECT, id)
        if row is None:
            raise Unknown(f"There is no project {id}.", hint="`list` shows the projects.")
        here = Path(row.value.path)
        try:
            return await self._at(await self._read(here, None, self.login), here)
        except ConfigError as exc:
            return await self._as_it_was(row.value, exc)

    async def _as_it_was(self, record: ProjectRecord, why: ConfigError) -> Project:
        """As it was opened last, so that its agents can be seen and ended all the same."""
        folder, here = self.home.project(record.folder).path, Path(record.path)

        def reading() -> Loaded | None:
            return kept(folder, environment=self.login, home=self.home.path)

        try:
            loaded = await anyio.to_thread.run_sync(reading)
            if loaded is None:
                raise why
            opened = await self._at(loaded, here)
        except ConfigError as exc:
            raise why from exc
        text = f"Project {record.id} goes on as it was when it was last opened: {why.message}"
        _log.warning("%s", text)
        await self.tell_lead(opened.id, "configuration", f"{text} {why.hint or ''}".strip())
        return opened

    async def tell_lead(self, project: ProjectId | None, note: str, text: str) -> None:
        """Put a line before the lead."""
        body = Told(note, "lead", text)
        await self.records.commit([], [NewEvent(EventKind.NOTE_LEAD, body, project)])

    async def seen_by(self, caller: Caller, known: Project) -> Project:
        """The same project, its configuration read with the caller's environment."""
        environment = {**self.login, **caller.environment}
        loaded = await self._read(known.repository, known.config_path, environment)
        return await self._at(loaded, known.repository)

    async def known(self, caller: Caller) -> Sequence[ProjectRecord]:
        """Every project this home has worked on."""
        return [row.value async for row in self.records.store.scan(PROJECT)]

    # -- opening ------------------------------------------------------------------------------

    async def _opened(
        self, settings: EffectiveProject, config: Path | None, loaded: Loaded
    ) -> Project:
        async with self._lock:
            for known in self._open.values():
                if known.settings == settings:
                    return replace(known, settings=settings)
            opened = await self._open_project(ProjectId(settings.id), settings, config)
            self._open[opened.id] = opened
            await anyio.to_thread.run_sync(keep, opened.home.path, loaded)
            return opened

    async def _open_project(
        self, id: ProjectId, settings: EffectiveProject, config: Path | None
    ) -> Project:
        common = (await Git(run, settings.path).preflight()).common_dir
        record = await self._record(id, settings, common, config)
        await self._trusted(settings, config)
        home = self.home.project(record.folder)
        runtime = await self._runtime(settings.runtime, settings)
        scope = Scoped(self, settings, record, runtime)
        workspace = await self._plugin("workspace", settings.workspace, scope)
        tracker = await self._plugin("tracker", settings.tracker, scope)
        scm = await self._plugin("scm", settings.scm, scope)
        notifiers = {one.alias: await self._notifier(one, scope) for one in _people(settings)}
        return Project(
            record.id, settings, settings.path, common, record.prefix, home, config, runtime,
            cast("Workspace[Any]", workspace), cast("Tracker[Any]", tracker),
            cast("Scm[Any]", scm), notifiers, {},
        )  # fmt: skip

    async def _record(
        self, id: ProjectId, settings: EffectiveProject, common: Path, config: Path | None
    ) -> ProjectRecord:
        """The project's record: the git common directory is its identity, whatever its name."""
        rows = [row async for row in self.records.store.scan(PROJECT)]
        for row in rows:
            if row.value.common_dir == str(common):
                return row.value
        taken = {row.value.prefix for row in rows}
        if any(row.id == id for row in rows):
            id = ProjectId(f"{id[:50]}-{folder_hash(common)[:6]}")
        anchor = config.parent if config else common
        record = ProjectRecord(
            id, str(settings.path), str(common), _free(settings.prefix, taken),
            f"{folder_hash(anchor)}-{id}", self.clock.now(),
        )  # fmt: skip
        await self.records.commit([Put(PROJECT, id, record, 0)])
        return record

    async def _trusted(self, settings: EffectiveProject, config: Path | None) -> None:
        if config is not None and config.parent != self.home.path:
            await require_trust(self.records.store, config, settings)

    async def _plugin(self, slot: Slot, choice: PluginChoice, scope: Scoped) -> Plugin[Any]:
        kind = self.registry.resolve(slot, choice.name, root=scope.settings.path, trusted=True)
        config = self.registry.configure(kind, choice.settings)
        return await opened(self.stack, kind, config, scope.of(slot, choice.name))

    async def _notifier(self, choice: PluginChoice, scope: Scoped) -> Notifier[Any]:
        """One that is broken keeps nobody from working; whoever uses it is told."""
        try:
            return cast("Notifier[Any]", await self._plugin("notifier", choice, scope))
        except PluginError as exc:
            _log.warning("notifier %s: %s", choice.alias, exc.message)
            return Unusable(exc, scope.of("notifier", choice.name))

    async def runtime(self, project: Project, name: str) -> Runtime[Any]:
        """A runtime by name: the project's own, or one that serves what that cannot."""
        if name == project.runtime.name:
            return project.runtime
        return await self._runtime(PluginChoice(name, alias=name), project.settings)

    async def runtime_for(self, project: Project, drive: Drive) -> str:
        """The name of the runtime that can hold an agent driven so."""
        if drive is Drive.TERMINAL or isinstance(project.runtime, Piped):
            return project.runtime.name
        return (await self.runtime(project, _HOLDS_PIPES)).name

    async def _runtime(self, choice: PluginChoice, settings: EffectiveProject) -> Runtime[Any]:
        """Runtimes serve every project alike, and are opened once: one terminal server a home."""
        key = f"{choice.name}/{sorted(choice.settings.items())!r}"
        async with self._opening:
            if key not in self._runtimes:
                kind = self.registry.resolve(
                    "runtime", choice.name, root=settings.path, trusted=True
                )
                config = self.registry.configure(kind, choice.settings)
                state = self.home.plugin_state("runtime", choice.name)
                scope = Scope(state, home=self.home.id, environment=self.login, clock=self.clock)
                made = await opened(self.stack, kind, config, scope)
                self._runtimes[key] = cast("Runtime[Any]", made)
        return self._runtimes[key]

    def runtimes(self) -> Sequence[Runtime[Any]]:
        """Every runtime in use."""
        return list(self._runtimes.values())

    # -- agents ------------------------------------------------------------------------------------

    async def agent(self, project: Project, name: str) -> Agent[Any]:
        """An agent with the project's settings for it."""
        known = project.agents.get(name)
        if known is None:
            state = project.home.plugin_state
            scope = Scoped(self, project.settings, None, project.runtime, state)
            choice = project.settings.agent_choice(name)
            known = cast("Agent[Any]", await self._plugin("agent", choice, scope))
            cast("dict[str, Agent[Any]]", project.agents)[name] = known
        return known

    async def agent_found(self, project: Project, name: str, caller: Caller) -> None:
        """Raise unless the agent's program is where the caller would find it."""
        choice = project.settings.agent_choice(name)
        kind = self.registry.resolve("agent", choice.name, root=project.repository, trusted=True)
        config = self.registry.configure(kind, choice.settings)
        found = await detect(kind, {**self.login, **caller.environment}, config)
        if not found.found:
            raise NotInstalled(f"Agent {name}: {found.detail}", hint=found.hint)

    async def grant(self, project: Project, agent: Agent[Any], caller: Caller) -> Grant:
        """What a worker gets of its client's environment; secrets are looked up there, now."""
        names = (*agent.credentials, *project.settings.credentials)
        granted = environment.grant(caller.environment, names)
        providers = {"env": EnvironmentSecrets(caller.environment)}
        found = await reveal(project.settings.secret_env, providers)
        given = environment.with_secrets(
            granted, {name: str(value) for name, value in found.items()}
        )
        self.remember(given.values[name] for name in given.credentials)
        return given

    async def runnable(self, project: Project, name: str) -> None:
        """Raise unless this runtime can run here."""
        runtime = await self.runtime(project, name)
        found = await detect(type(runtime), self.login, runtime.config)
        if not found.found:
            raise NotInstalled(f"Runtime {runtime.name}: {found.detail}", hint=found.hint)

    async def first_agent(self, caller: Caller) -> str | None:
        """The first agent that is installed."""
        for name in _FIRST_AGENTS.split():
            try:
                kind = self.registry.resolve("agent", name)
                config = self.registry.configure(kind, {})
                found = await detect(kind, {**self.login, **caller.environment}, config)
            except AoError:
                continue
            if found.found:
                return name
        return None


def _settings_at(loaded: Loaded, here: Path) -> tuple[EffectiveProject, Path | None]:
    """The settings for a repository, and the file that names it, if any does."""
    for id in loaded.settings.projects:
        settings = project(loaded, id)
        if _same(settings.path, here):
            return settings, loaded.path
    return zero(here, loaded), None


def _people(settings: EffectiveProject) -> Iterable[PluginChoice]:
    """Every notifier that is told by default, or to which anything is routed."""
    routed = (one for choices in settings.routing.values() for one in choices)
    return {one.alias: one for one in (*settings.notifiers, *routed)}.values()


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()


def _free(prefix: str, taken: set[str]) -> str:
    """A prefix no other project of this home has."""
    number, free = 2, prefix
    while free in taken:
        free, number = f"{prefix[:8]}{number}", number + 1
    return free
