"""The checks of a commit: check runs of apps, and statuses by whoever may write there."""

from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal, TypeAlias

from pydantic import Field

from ao_core.model.work import Check, CheckState
from ao_core.redact import visible
from ao_plugins._github.shape import Shape

_NAME, _DETAIL = 200, 2_000
_CONCLUSIONS = {
    "SUCCESS": CheckState.PASSED,
    "NEUTRAL": CheckState.SKIPPED,
    "SKIPPED": CheckState.SKIPPED,
}
_STATUSES = {
    "SUCCESS": CheckState.PASSED,
    "PENDING": CheckState.PENDING,
    "EXPECTED": CheckState.PENDING,
}


class App(Shape):
    """Who runs a check."""

    slug: str | None = None


class Workflow(Shape):
    """A workflow of Actions."""

    name: str


class WorkflowRun(Shape):
    """One run of it."""

    event: str
    workflow: Workflow


class Suite(Shape):
    """What a check run belongs to."""

    app: App | None = None
    workflow_run: WorkflowRun | None = None


class CheckRun(Shape):
    """A check by an app, of which Actions is one."""

    typename: Annotated[Literal["CheckRun"], Field(alias="__typename")]
    database_id: int | None = None
    name: str
    status: str
    conclusion: str | None = None
    details_url: str | None = None
    title: str | None = None
    summary: str | None = None
    check_suite: Suite

    @property
    def what(self) -> tuple[str | None, ...]:
        """What ran, which may have run before."""
        app, run = self.check_suite.app, self.check_suite.workflow_run
        return app and app.slug, run and run.workflow.name, run and run.event, self.name

    @property
    def order(self) -> int:
        """Whatever runs later has a higher number."""
        return self.database_id or 0

    @property
    def job(self) -> int | None:
        """The number of its job, if Actions runs it."""
        app = self.check_suite.app
        return self.database_id if app and app.slug == "github-actions" else None

    def check(self) -> Check:
        """In our words."""
        run = self.check_suite.workflow_run
        name = f"{run.workflow.name} / {self.name}" if run else self.name
        said = "\n".join(filter(None, (self.title, self.summary)))
        detail = visible(said, _DETAIL) if said else None
        return Check(visible(name, _NAME), self._state(), self.details_url, detail)

    def _state(self) -> CheckState:
        if self.status == "COMPLETED":
            return _CONCLUSIONS.get(self.conclusion or "", CheckState.FAILED)
        return CheckState.RUNNING if self.status == "IN_PROGRESS" else CheckState.PENDING


class StatusContext(Shape):
    """A check by whoever may write to the repository."""

    typename: Annotated[Literal["StatusContext"], Field(alias="__typename")]
    context: str
    state: str
    target_url: str | None = None
    description: str | None = None
    order: ClassVar[int] = 0  # only its last word is listed

    @property
    def what(self) -> tuple[str | None, ...]:
        """Whose word it is."""
        return (self.context,)

    def check(self) -> Check:
        """In our words."""
        state = _STATUSES.get(self.state, CheckState.FAILED)
        detail = visible(self.description, _DETAIL) if self.description else None
        return Check(visible(self.context, _NAME), state, self.target_url, detail)


OneCheck: TypeAlias = Annotated[CheckRun | StatusContext, Field(discriminator="typename")]


class Page(Shape):
    """Where a list goes on."""

    has_next_page: bool
    end_cursor: str | None = None


class Checks(Shape):
    """A page of checks."""

    page_info: Page
    nodes: tuple[OneCheck, ...]


class CheckRollup(Shape):
    """All checks of a commit."""

    contexts: Checks


def latest(checks: Iterable[CheckRun | StatusContext]) -> tuple[CheckRun | StatusContext, ...]:
    """Of what ran again on the same commit, the last run: GitHub lists those before it, too."""
    found = dict[tuple[str | None, ...], CheckRun | StatusContext]()
    for one in sorted(checks, key=lambda one: one.order):
        found[one.what] = one
    return tuple(found.values())
