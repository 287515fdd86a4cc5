"""Resources as MCP clients see them: listed, and read through the operations."""

from collections.abc import Collection, Mapping

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextResourceContents,
)

from ao_core.errors import AoError, BadRequest, NotFound, Refused
from ao_core.model.session import Session, derive_status
from ao_core.redact import visible
from ao_core.store.records import SESSION
from ao_mcp.mcp import shelves
from ao_mcp.mcp.choices import Choices
from ao_mcp.mcp.shelves import SHELVES, Shelf, named
from ao_mcp.operations.contract import AnyOperation, Call, Reply
from ao_mcp.operations.listing import order
from ao_mcp.perform import perform

_PAGE = 100
_LISTED = 200  # characters of a title, or of an address


class Library:
    """What there is to read."""

    def __init__(self, operations: Mapping[str, AnyOperation]) -> None:
        self._operations = operations
        self.choices = Choices(operations)

    def page(self, call: Call, cursor: str | None) -> ListResourcesResult:
        """What is always there, then everybody who has not ended, a page at a time."""
        every = sorted(call.engine.live(), key=order)
        if cursor is not None:
            after = _known(call, cursor)
            every = [one for one in every if order(one) > after]
        fixed = [] if cursor else [_fixed(one) for one in SHELVES if not one.is_template]
        page = every[:_PAGE]
        more = page[-1].id if len(every) > len(page) else None
        return ListResourcesResult(resources=[*fixed, *map(_worker, page)], next_cursor=more)

    def templates(self) -> ListResourceTemplatesResult:
        """Every form of address that has something to fill in."""
        found = [_template(one) for one in SHELVES if one.names]
        return ListResourceTemplatesResult(resource_templates=found)

    def names(self, form: str) -> Collection[str]:
        """What can be filled in of a form of address, nothing of an address that is whole."""
        forms = {one.form: one.names for one in SHELVES}
        try:
            return forms[form] if form in forms else named(form).shelf.names
        except AoError as error:
            raise refused(error, uri=visible(form, _LISTED)) from error

    async def read(self, call: Call, address: str) -> ReadResourceResult:
        """One resource; what is wrong with its address is the client's fault."""
        try:
            resource = named(address)
            arguments = resource.shelf.arguments(resource.names)
            reply = await perform(self._operations[resource.shelf.operation], call, arguments)
        except AoError as error:
            raise refused(error, uri=visible(address, _LISTED)) from error
        mime = resource.shelf.mime
        text = TextResourceContents(uri=address, mime_type=mime, text=_text(reply, mime))
        return ReadResourceResult(contents=[text])


def refused(error: AoError, **more: str) -> MCPError:
    """An error of ours where a result cannot say it. `more` is what the protocol wants told."""
    ours = isinstance(error, BadRequest | Refused | NotFound)
    text = " ".join(filter(None, (error.message, error.hint)))
    return MCPError(INVALID_PARAMS if ours else INTERNAL_ERROR, text, {**error.wire(), **more})


def foreign_cursor() -> MCPError:
    """What a client is told that goes on where we never stopped."""
    return refused(BadRequest("This cursor is not one of ours.", hint="Leave it out."))


def _text(reply: Reply, mime: str) -> str:
    if mime != shelves.JSON:
        return str(getattr(reply, "text", ""))
    return reply.model_dump_json(exclude_none=True, by_alias=True)


def _fixed(shelf: Shelf) -> Resource:
    return Resource(
        uri=shelf.at(), name=shelf.title, title=shelf.title, description=shelf.description,
        mime_type=shelf.mime,
    )  # fmt: skip


def _template(shelf: Shelf) -> ResourceTemplate:
    return ResourceTemplate(
        uri_template=shelf.form, name=shelf.title, title=shelf.title,
        description=shelf.description, mime_type=shelf.mime,
    )  # fmt: skip


def _worker(session: Session) -> Resource:
    told = f"{derive_status(session)}: {visible(session.title, _LISTED)}"
    return Resource(
        uri=shelves.SESSION.at(session.id), name=session.id, title=session.id, description=told,
        mime_type=shelves.SESSION.mime,
    )  # fmt: skip


def _known(call: Call, cursor: str) -> tuple[str, int, str]:
    found = next((one for one in call.engine.records.all(SESSION) if one.id == cursor), None)
    if found is None:
        raise foreign_cursor()
    return order(found)
