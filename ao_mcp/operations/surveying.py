"""`project` and `plugins`: how a project is set up, and what there is to set it up with."""

from pydantic import Field

from ao_core.engine.project import Project
from ao_core.redact import visible
from ao_core.store.records import SESSION
from ao_mcp.operations.contract import Call, Operation, Reply, Request
from ao_mcp.operations.shapes import Line, ProjectName, line


class ProjectAsked(Request):
    """Which project."""

    project: ProjectName = None


class ProjectShown(Reply):
    """How a project is set up, and its workers."""

    project: str
    path: str
    branch: str = Field(description="The branch that work goes to.")
    config: str | None = Field(default=None, description="The file that says so.")
    agent: str | None = Field(default=None, description="Null: the first that is installed.")
    drive: str | None = Field(default=None, description="Null: as the agent has it.")
    permissions: str
    runtime: str
    workspace: str
    tracker: str
    scm: str
    notifiers: tuple[str, ...]
    gates: tuple[str, ...]
    most_workers: int | None = None
    sessions: tuple[Line, ...]


async def _project(call: Call, asked: ProjectAsked) -> ProjectShown:
    project = await call.engine.projects.for_caller(call.caller, asked.project)
    settings = project.settings
    return ProjectShown(
        project=project.id,
        path=str(project.repository),
        branch=project.branch,
        config=str(project.config_path) if project.config_path else None,
        agent=settings.agent,
        drive=settings.drive,
        permissions=settings.permissions,
        runtime=project.runtime.name,
        workspace=project.workspace.name,
        tracker=project.tracker.name,
        scm=project.scm.name,
        notifiers=tuple(sorted(project.notifiers)),
        gates=tuple(visible(gate.name, 100) for gate in settings.gates),
        most_workers=settings.max_workers,
        sessions=_sessions(call, project),
    )


def _sessions(call: Call, project: Project) -> tuple[Line, ...]:
    every = call.engine.records.all(SESSION)
    return tuple(line(call.engine, one) for one in every if one.project == project.id)


PROJECT = Operation(
    name="project",
    title="Show a project",
    description=(
        "How a project is set up, and its workers. Instead of `list` when its settings matter."
    ),
    request=ProjectAsked,
    reply=ProjectShown,
    run=_project,
    read_only=True,
    tool=False,
    positional=("project",),
)


class PluginsAsked(Request):
    """Nothing to ask."""


class PluginLine(Reply):
    """One plugin."""

    slot: str
    name: str
    source: str
    available: bool
    problem: str | None = None


class PluginsListed(Reply):
    """Every plugin, as the engine finds it."""

    plugins: tuple[PluginLine, ...]


async def _plugins(call: Call, asked: PluginsAsked) -> PluginsListed:
    found = await call.engine.registry.everything(call.engine.login(), call.caller.environment)
    return PluginsListed(
        plugins=tuple(
            PluginLine(
                slot=one.slot, name=one.name, source=one.source, available=bool(one.available),
                problem=one.problem,
            )
            for one in found
        )
    )  # fmt: skip


PLUGINS = Operation(
    name="plugins",
    title="List plugins",
    description=(
        "What there is for each slot, and whether it can be used here. Instead of `project` when"
        " something else than what is set up is wanted."
    ),
    request=PluginsAsked,
    reply=PluginsListed,
    run=_plugins,
    read_only=True,
    tool=False,
)
