"""What the settings come to for one project."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal, TypeAlias

from ao_core import platform
from ao_core.config.checkout import main_branch
from ao_core.config.layers import Loaded, overlay
from ao_core.config.models import (
    DEFAULT_REACTIONS,
    AgentConfig,
    CheckSettings,
    Choices,
    EffectiveProject,
    Gate,
    Lifecycle,
    PluginChoice,
    ProjectSettings,
    Reaction,
    Settings,
)
from ao_core.config.parts import PluginSettings
from ao_core.config.permitting import rules_of
from ao_core.config.problem import ConfigProblems
from ao_core.config.secret import SecretRef
from ao_core.config.trust import code_lines
from ao_core.errors import Unknown
from ao_core.ids import ProjectId, session_prefix, slug
from ao_core.index import Slot
from ao_core.model.event import Priority
from ao_core.model.session import PermissionMode

Part: TypeAlias = Literal["worker", "orchestrator"]

_RULES_LIMIT = 32_000


def project(loaded: Loaded, id: str, role: Part = "worker") -> EffectiveProject:
    """One configured project, as the engine uses it; raises `Unknown` and `ConfigProblems`."""
    own = loaded.settings.projects.get(id)
    if own is None:
        known = ", ".join(sorted(loaded.settings.projects)) or "none"
        raise Unknown(f"There is no project {ascii(id)[:60]}.", hint=f"Configured: {known}.")
    return _effective(loaded, ProjectId(id), own, role)


def zero(repository: Path, loaded: Loaded | None = None, role: Part = "worker") -> EffectiveProject:
    """A repository nobody has configured; of what is configured, only the person's own holds."""
    own = ProjectSettings(path=os.path.abspath(repository))
    person = Loaded(loaded.own, None) if loaded else Loaded(Settings(), None)
    return _effective(person, implied_id(repository), own, role)


def implied_id(folder: Path) -> ProjectId:
    """Name a project by its folder."""
    kept = "".join(one if one.isascii() and one.isalnum() else "-" for one in folder.name)
    return ProjectId(kept.strip("-")[:64].strip("-") or slug(folder.name))


def prefix_of(own: ProjectSettings) -> str:
    """The prefix of the project's sessions."""
    return own.session_prefix or session_prefix(Path(own.path or "").name)


def gates_of(checks: Iterable[CheckSettings]) -> tuple[Gate, ...]:
    """The project's gates; one without a name is called by its command."""
    return tuple(
        Gate(one.name or " ".join(one.command)[:80], one.command, one.deadline.total_seconds())
        for one in checks
    )


@dataclass(slots=True)
class AgentChoice:
    """The agent and its settings, gathered from the outermost place to the innermost."""

    name: str | None = None
    settings: dict[str, object] = field(default_factory=dict[str, object])
    model: str | None = None
    permissions: PermissionMode = PermissionMode.DEFAULT

    def add(self, agent: PluginSettings | None, config: AgentConfig) -> None:
        """Another place; settings and model of one agent are nothing to another."""
        if agent and agent.plugin != self.name:
            if self.name is not None:
                self.settings, self.model = {}, None
            self.name = agent.plugin
        self.settings |= (agent.settings if agent else {}) | config.settings
        if "model" in config.model_fields_set:
            self.model = config.model
        if "permissions" in config.model_fields_set:
            self.permissions = config.permissions


def agent_of(settings: Settings, own: ProjectSettings, role: Part) -> AgentChoice:
    """Which agent works on the project in this role, and how."""
    chosen = AgentChoice()
    for place in (settings.defaults, own):
        part = place.worker if role == "worker" else place.orchestrator
        chosen.add(place.agent, place.agent_config)
        chosen.add(part.agent, part.agent_config)
    return chosen


@dataclass(frozen=True, slots=True)
class _Names:
    """What the file's names for plugins stand for."""

    settings: Settings

    def slot(self, slot: Slot, *entries: PluginSettings | None, default: str) -> PluginChoice:
        """The innermost choice, with what outer places say of the same plugin."""
        chosen = PluginSettings(plugin=default)
        for entry in entries:
            if entry is not None:
                chosen = overlay(chosen, entry) if entry.plugin == chosen.plugin else entry
        return self.choice(slot, chosen.plugin, chosen.settings)

    def choice(self, slot: Slot, name: str, settings: Mapping[str, object]) -> PluginChoice:
        return PluginChoice(self.outside(slot).get(name, name), settings, alias=name)

    def notifier(self, name: str) -> PluginChoice:
        table = self.settings.notifiers.get(name)
        if table is None:
            return self.choice("notifier", name, {})
        target = self.outside("notifier").get(table.plugin, table.plugin)
        return PluginChoice(target, table.settings, alias=name)

    def notifiers(self, names: Iterable[str]) -> tuple[PluginChoice, ...]:
        return tuple(self.notifier(name) for name in dict.fromkeys(names))

    def agents(self, chosen: AgentChoice) -> dict[str, PluginChoice]:
        named = {name: self.choice("agent", name, {}) for name in self.outside("agent")}
        if chosen.name is not None:
            named[chosen.name] = self.choice("agent", chosen.name, chosen.settings)
        return named

    def outside(self, slot: Slot) -> dict[str, str]:
        return {
            one.name: one.path for one in self.settings.plugins if one.slot == slot and one.enabled
        }


def _effective(loaded: Loaded, id: ProjectId, own: ProjectSettings, role: Part) -> EffectiveProject:
    settings, path = loaded.settings, Path(own.path or "")
    names, shared = _Names(settings), settings.defaults
    chosen = agent_of(settings, own, role)
    told = own.notifiers or shared.notifiers or ("lead",)
    env = settings.env | own.env
    return EffectiveProject(
        id=id,
        name=own.name or id,
        path=path,
        repo=own.repo,
        prefix=prefix_of(own),
        default_branch=own.default_branch or main_branch(path),
        runtime=names.slot(
            "runtime", shared.runtime, own.runtime, default=platform.default_runtime()
        ),
        workspace=names.slot("workspace", shared.workspace, own.workspace, default="worktree"),
        tracker=names.slot("tracker", shared.tracker, own.tracker, default="local"),
        scm=names.slot("scm", shared.scm, own.scm, default="local"),
        agent=chosen.name,
        agents=names.agents(chosen),
        notifiers=names.notifiers(told),
        routing={
            priority: names.notifiers(settings.notification_routing.get(priority, told))
            for priority in Priority
        },
        permissions=chosen.permissions,
        permission_rules=rules_of(own.permission_rules, shared.permission_rules),
        permission_timeout=_chosen(own, shared).permission_timeout,
        drive=own.drive or shared.drive,
        budget=own.budget.value.over(shared.budget.value),
        model=chosen.model,
        rules=_rules(loaded, id, own),
        orchestrator_rules=own.orchestrator_rules,
        env={name: text for name, text in env.items() if isinstance(text, str)},
        secret_env={name: ref for name, ref in env.items() if isinstance(ref, SecretRef)},
        credentials=own.credentials,
        gates=gates_of(own.gates.checks),
        post_create=own.post_create,
        symlinks=own.symlinks,
        ports=own.ports,
        max_workers=own.max_workers,
        warm_worktrees=own.warm_worktrees,
        allow_commands=own.allow_commands,
        reactions=_reactions(settings, own),
        ready_threshold=settings.ready_threshold,
        commit_identity=own.commit_identity,
        commit_signing=own.commit_signing,
        merged_grace=_merged_grace(settings.lifecycle),
        abandoned_grace=settings.lifecycle.abandoned_grace,
        code=code_lines(loaded.source, id, path) if loaded.source else (),
    )


def _chosen(own: ProjectSettings, shared: Choices) -> Choices:
    """Who says how long a permission is waited for: `never` is said as well."""
    return own if "permission_timeout" in own.model_fields_set else shared


def _merged_grace(chosen: Lifecycle) -> timedelta | None:
    return chosen.merge_cleanup_idle_grace if chosen.auto_cleanup_on_merge else None


def _reactions(settings: Settings, own: ProjectSettings) -> dict[str, Reaction]:
    merged: dict[str, Reaction] = dict(DEFAULT_REACTIONS)
    for changes in (settings.reactions, own.reactions):
        for key, change in changes.items():
            merged[key] = overlay(merged.get(key, Reaction()), change)
    return merged


def _rules(loaded: Loaded, id: ProjectId, own: ProjectSettings) -> str | None:
    written = [own.agent_rules] if own.agent_rules else []
    if own.agent_rules_file:
        try:
            with (Path(own.path or "") / own.agent_rules_file).open(errors="replace") as file:
                written.append(file.read(_RULES_LIMIT))
        except (OSError, ValueError) as exc:
            where = ("projects", id, "agent_rules_file")
            raise ConfigProblems([loaded.problem(where, "the file cannot be read")]) from exc
    return "\n\n".join(part.strip() for part in written if part.strip()) or None
