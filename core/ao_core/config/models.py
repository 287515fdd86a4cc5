"""What may stand in `agent-orchestrator.yaml`, key by key, and what it comes to for a project."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from ao_core.config.listening import Http
from ao_core.config.own import Confirm, Observability, Power, Retention, StoreSettings
from ao_core.config.parts import (
    Age,
    Branch,
    Command,
    Duration,
    Escalation,
    Folder,
    Inside,
    Milliseconds,
    Permissions,
    PluginSettings,
    Prefix,
    ProjectName,
    Reference,
    Section,
    VariableName,
    Variables,
    Word,
)
from ao_core.config.permitting import PermissionRules, Timeout
from ao_core.config.secret import SecretRef
from ao_core.errors import BadRequest
from ao_core.ids import ProjectId
from ao_core.index import Slot
from ao_core.model.activity import READY_WINDOW
from ao_core.model.budget import Budget
from ao_core.model.event import Priority
from ao_core.model.rule import Rule
from ao_core.model.session import Drive, PermissionMode


class AgentConfig(Section):
    """How the agent is run; whatever else stands here is for the agent's plugin."""

    model_config = ConfigDict(extra="allow")

    permissions: Permissions = PermissionMode.DEFAULT
    model: str | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What is for the plugin."""
        return dict(self.model_extra or {})


class Role(Section):
    """What is different for one role."""

    agent: PluginSettings | None = None
    agent_config: AgentConfig = AgentConfig()


class BudgetSettings(Section):
    """How much may be used: minutes at work, tokens, US dollars."""

    minutes: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    tokens: Annotated[int, Field(gt=0)] | None = None
    cost: Annotated[float, Field(gt=0)] | None = None

    @property
    def value(self) -> Budget:
        """As the engine uses it."""
        return Budget(self.minutes, self.tokens, self.cost)


class Choices(Section):
    """What can be chosen for all projects and for each."""

    runtime: PluginSettings | None = None
    agent: PluginSettings | None = None
    workspace: PluginSettings | None = None
    tracker: PluginSettings | None = None
    scm: PluginSettings | None = None
    notifiers: tuple[Reference, ...] | None = None
    agent_config: AgentConfig = AgentConfig()
    orchestrator: Role = Role()
    worker: Role = Role()
    drive: Drive | None = None
    budget: BudgetSettings = BudgetSettings()
    permission_rules: PermissionRules = ()
    permission_timeout: Timeout = None


class Defaults(Choices):
    """What every project uses unless it says otherwise."""


class Reaction(Section):
    """What is done by itself when something happens."""

    auto: bool = True
    action: Literal["send-to-agent", "notify", "auto-merge"] = "notify"
    message: str | None = None
    priority: Priority | None = None
    retries: Annotated[int, Field(ge=0)] | None = None
    escalate_after: Escalation = None
    threshold: Duration | None = None
    include_summary: bool = False


ReactionKey: TypeAlias = Literal[
    "ci-failed", "changes-requested", "bugbot-comments", "merge-conflicts", "merge-failed",
    "approved-and-green", "agent-stuck", "agent-needs-input", "agent-exited", "agent-idle",
    "pr-closed", "all-complete",
    "report-no-acknowledge", "report-stale", "report-needs-input",
]  # fmt: skip
Reactions: TypeAlias = dict[ReactionKey, Reaction]

_PATIENT = (
    "agent-stuck", "agent-idle", "report-no-acknowledge", "report-stale", "report-needs-input",
)  # fmt: skip
_AT_THE_END = "it cannot be had once every worker is done: leave it out, people are told"
_AT_ONCE = "it waits for nothing: leave it out; those that wait are " + ", ".join(_PATIENT)
_ONLY_AT_THE_END = "it belongs to all-complete: leave it out here"


def senseless(key: str, reaction: Reaction) -> Iterator[tuple[str, str]]:
    """The fields that are set and can have no meaning for this reaction, each with what to do."""
    is_set, at_the_end = reaction.model_fields_set, key == "all-complete"
    if at_the_end and reaction.action != "notify":
        yield "action", _AT_THE_END
    for name in ("retries", "escalate_after"):
        if at_the_end and name in is_set:
            yield name, _AT_THE_END
    if "threshold" in is_set and key not in _PATIENT:
        yield "threshold", _AT_ONCE
    if "include_summary" in is_set and not at_the_end:
        yield "include_summary", _ONLY_AT_THE_END


def _sent(
    escalate_after: int | timedelta, retries: int | None = None, threshold: timedelta | None = None
) -> Reaction:
    return Reaction(
        action="send-to-agent", escalate_after=escalate_after, retries=retries, threshold=threshold
    )


DEFAULT_REACTIONS: Mapping[str, Reaction] = {
    "ci-failed": _sent(2, retries=2),
    "changes-requested": _sent(timedelta(minutes=30)),
    "bugbot-comments": _sent(timedelta(minutes=30)),
    "merge-conflicts": _sent(timedelta(minutes=15)),
    "merge-failed": _sent(timedelta(minutes=30)),
    "approved-and-green": Reaction(auto=False, priority=Priority.ACTION),
    "agent-idle": _sent(timedelta(minutes=15), retries=2),
    "agent-stuck": Reaction(priority=Priority.URGENT, threshold=timedelta(minutes=10)),
    "agent-needs-input": Reaction(priority=Priority.URGENT),
    "agent-exited": Reaction(priority=Priority.URGENT),
    "pr-closed": Reaction(priority=Priority.ACTION),
    "all-complete": Reaction(priority=Priority.INFO, include_summary=True),
    "report-no-acknowledge": _sent(timedelta(minutes=15), threshold=timedelta(minutes=10)),
    "report-stale": _sent(timedelta(minutes=30), threshold=timedelta(minutes=30)),
    "report-needs-input": Reaction(priority=Priority.URGENT),
}


def _is_plain(value: object) -> bool:
    return isinstance(value, str | list)


class CheckSettings(Section):
    """One command that has to succeed before work counts as done."""

    name: Annotated[str, Field(max_length=80)] = ""
    command: Command
    deadline: Duration = timedelta(minutes=10)

    @model_validator(mode="before")
    @classmethod
    def _line(cls, value: object) -> object:
        return {"command": value} if _is_plain(value) else value


class Gates(Section):
    """What shows that work is done."""

    checks: tuple[CheckSettings, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        return {"checks": value} if _is_plain(value) else value


Workers: TypeAlias = Annotated[int, Field(ge=1, le=1_000)] | None


Signing: TypeAlias = Literal["inherit", "off", "on"]  # of what workers commit, not of merges


class CommitIdentity(Section):
    """Who workers' commits are by."""

    name: Annotated[str, Field(pattern=r"^[^<>\x00-\x1f\x7f]{1,200}$")]
    email: Annotated[str, Field(pattern=r"^[^<>\s\x00-\x1f\x7f]{1,200}$")]


class ProjectSettings(Choices):
    """One project."""

    name: str | None = None
    repo: str | None = None
    path: Folder | None = None
    default_branch: Branch | None = None
    session_prefix: Prefix | None = None
    env: Variables = Field(default_factory=dict[str, Any])
    credentials: tuple[VariableName, ...] = ()
    symlinks: tuple[Inside, ...] = ()
    post_create: tuple[Command, ...] = ()
    ports: Annotated[int, Field(ge=0, le=100)] = 0
    max_workers: Workers = None
    warm_worktrees: Annotated[int, Field(ge=0, le=4)] | None = None
    agent_rules: str | None = None
    agent_rules_file: Word | None = None
    orchestrator_rules: str | None = None
    gates: Gates = Gates()
    allow_commands: tuple[Command, ...] = ()
    reactions: Reactions = Field(default_factory=dict[ReactionKey, Reaction])
    commit_identity: CommitIdentity | None = None
    commit_signing: Signing = "inherit"
    orchestrator_session_strategy: Any = None
    opencode_issue_session_strategy: Any = None

    unused: ClassVar = ("orchestrator_session_strategy", "opencode_issue_session_strategy")


class PluginSource(Section):
    """A plugin from outside under a name of its own."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,63}$")]
    slot: Slot
    path: Reference
    enabled: bool = True


class Lifecycle(Section):
    """What becomes of a worker once its work is merged, or it has ended."""

    auto_cleanup_on_merge: bool = True
    merge_cleanup_idle_grace: Annotated[
        Milliseconds,
        Field(
            validation_alias=AliasChoices(
                "mergeCleanupIdleGrace", "mergeCleanupIdleGraceMs",
                "merge_cleanup_idle_grace", "merge_cleanup_idle_grace_ms",
            )
        ),
    ] = timedelta(minutes=5)  # fmt: skip
    abandoned_grace: Age = None


class Settings(Section):
    """The whole file."""

    schema_: Annotated[Any, Field(alias="$schema")] = None
    defaults: Defaults = Defaults()
    projects: dict[ProjectName, ProjectSettings] = Field(default_factory=dict[str, ProjectSettings])
    notifiers: dict[str, PluginSettings] = Field(default_factory=dict[str, PluginSettings])
    notification_routing: dict[Priority, tuple[Reference, ...]] = Field(
        default_factory=dict[Priority, tuple[str, ...]]
    )
    reactions: Reactions = Field(default_factory=dict[ReactionKey, Reaction])
    plugins: tuple[PluginSource, ...] = ()
    port: Annotated[int, Field(ge=1, le=65535)] = 3000
    ready_threshold: Annotated[
        Milliseconds,
        Field(
            validation_alias=AliasChoices(
                "readyThreshold", "readyThresholdMs", "ready_threshold", "ready_threshold_ms"
            )
        ),
    ] = READY_WINDOW
    max_workers: Workers = 16
    budget: BudgetSettings = BudgetSettings()
    confirm: Confirm = Confirm()
    power: Power = Power()
    retention: Retention = Retention()
    lifecycle: Lifecycle = Lifecycle()
    observability: Observability = Observability()
    store: StoreSettings = StoreSettings()
    http: Http = Http()
    env: Variables = Field(default_factory=dict[str, Any])
    terminal_port: Any = None
    direct_terminal_port: Any = None
    dashboard: Any = None

    unused: ClassVar = (
        "observability", "port",
        "terminal_port", "direct_terminal_port", "dashboard",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class PluginChoice:
    """A plugin by name or reference, and its settings; `alias` is what the file calls it."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict[str, object], repr=False)
    alias: str = ""


@dataclass(frozen=True, slots=True)
class Gate:
    """A command that has to succeed; it is run as it stands, without a shell."""

    name: str
    command: tuple[str, ...]
    deadline: float = 600.0


@dataclass(frozen=True, slots=True)
class EffectiveProject:
    """A project with everything decided: what the engine works with.

    `agent` is None where none was chosen: the first that is installed. `credentials` names the
    variables workers get from the client that spawns them; `secret_env` is looked up at that time.
    `rules` is what the configuration and its rules file say. `code` lists what a person has to
    trust before it is used. `…_grace` says when a workspace is cleared away, None: never. Where
    only `env` differs, which depends on who called, two are equal.
    """

    id: ProjectId
    path: Path
    prefix: str
    runtime: PluginChoice
    workspace: PluginChoice
    tracker: PluginChoice
    scm: PluginChoice
    agent: str | None = None
    agents: Mapping[str, PluginChoice] = field(default_factory=dict[str, PluginChoice])
    notifiers: tuple[PluginChoice, ...] = ()
    routing: Mapping[Priority, tuple[PluginChoice, ...]] = field(
        default_factory=dict[Priority, tuple[PluginChoice, ...]]
    )
    name: str = ""
    repo: str | None = None
    default_branch: str = "main"
    permissions: PermissionMode = PermissionMode.DEFAULT
    permission_rules: tuple[Rule, ...] = ()
    permission_timeout: timedelta | None = None
    drive: Drive | None = None
    budget: Budget = field(default_factory=Budget)
    model: str | None = None
    rules: str | None = None
    orchestrator_rules: str | None = None
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)
    secret_env: Mapping[str, SecretRef] = field(default_factory=dict[str, SecretRef])
    credentials: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    post_create: tuple[tuple[str, ...], ...] = ()
    symlinks: tuple[str, ...] = ()
    ports: int = 0
    max_workers: int | None = None
    warm_worktrees: int | None = None
    allow_commands: tuple[tuple[str, ...], ...] = ()
    reactions: Mapping[str, Reaction] = field(default_factory=dict[str, Reaction])
    ready_threshold: timedelta = READY_WINDOW
    commit_identity: CommitIdentity | None = None
    commit_signing: Signing = "inherit"
    merged_grace: timedelta | None = None
    abandoned_grace: timedelta | None = None
    code: tuple[str, ...] = ()

    def agent_choice(self, name: str) -> PluginChoice:
        """The plugin for an agent's name, with its settings; a reference has to be configured."""
        if name not in self.agents and ":" in name:
            raise BadRequest(
                "An agent from a file or module is named in the configuration, not in a call.",
                hint="Give it a name under `plugins`, and use that.",
            )
        return self.agents.get(name) or PluginChoice(name, alias=name)
