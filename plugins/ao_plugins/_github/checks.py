"""The checks of a commit: check runs of apps, and statuses by whoever may write there."""

from collections.abc import Iterable, Sequence
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


_UNTOLD = Check(
    "all checks together", CheckState.FAILED,
    detail="GitHub counts a failure among them that is none of those it lists.",
)  # fmt: skip


class App(Shape):
    """Who runs a check."""

    slug: str | None = None


class Workflow(Shape):
    """A workflow of Actions; several files may bear one name."""

    id: str
    name: str


class WorkflowRun(Shape):
    """One run of it."""

    event: str
    workflow: Workflow


class Suite(Shape):
    """What a check run belongs to."""

    id: str
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
        return app and app.slug, run and run.workflow.id, run and run.event, self.name

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
    """All checks of a commit, and what GitHub makes of them."""

    state: str
    contexts: Checks

    def told(self, listed: Sequence[OneCheck], page: Page) -> "CheckRollup":
        """With all that was listed, of which the last runs count."""
        left = latest(listed)
        state = "" if _is_told(listed, left) else self.state
        whole = self.contexts.model_copy(update={"nodes": left, "page_info": page})
        return CheckRollup(state=state, contexts=whole)

    @property
    def untold(self) -> Check | None:
        """The failure that GitHub counts, but none of those that are listed is."""
        return _UNTOLD if self.state in ("FAILURE", "ERROR") else None


def latest(checks: Iterable[OneCheck]) -> tuple[OneCheck, ...]:
    """Of what ran again on the same commit, the last run: GitHub lists those before it, too."""
    found = dict[tuple[str | None, ...], OneCheck]()
    for one in sorted(checks, key=lambda one: one.order):
        found[one.what] = one
    return tuple(found.values())


def _is_told(listed: Iterable[OneCheck], left: Sequence[OneCheck]) -> bool:
    """Whether a failure is among those left, or was, before it ran again in another suite: GitHub
    goes on counting that one.
    """
    last = {one.what: one for one in left}
    return any(one is last[one.what] or _moved(one, last[one.what]) for one in listed if _bad(one))


def _bad(one: OneCheck) -> bool:
    return one.check().state is CheckState.FAILED


def _moved(one: OneCheck, later: OneCheck) -> bool:
    if not isinstance(one, CheckRun) or not isinstance(later, CheckRun):
        return False
    return one.check_suite.id != later.check_suite.id
