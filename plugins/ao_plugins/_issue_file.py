"""The format of an issue's file: front matter that people may edit, then the text."""

from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from ao_core.errors import Rejected, StoreUnavailable
from ao_core.model.work import IssueState
from ao_core.redact import visible

FILE_LIMIT = 1024 * 1024
_FENCE = "---\n"


class Front(BaseModel):
    """What stands above the body. Keys that people add are kept."""

    model_config = ConfigDict(extra="allow", frozen=True)

    title: str
    state: IssueState = IssueState.OPEN
    labels: tuple[str, ...] = ()
    assignee: str | None = None
    priority: str | None = None
    created: datetime | None = None
    updated: datetime | None = None

    @field_validator("labels", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return value.split(",") if isinstance(value, str) else value or ()


def read(path: Path) -> tuple[Front, str] | None:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise StoreUnavailable(f"{path} cannot be read: {exc.strerror}") from exc
    try:
        return parse(data)
    except (ValueError, yaml.YAMLError, RecursionError) as exc:
        hint = "It begins with `---`, then lines like `title: ...`, then `---`, then the text."
        raise Rejected(f"{path} is not an issue file: {_why(exc)}", hint=hint) from exc


def parse(data: bytes) -> tuple[Front, str]:
    if len(data) > FILE_LIMIT:
        raise ValueError("it is larger than 1 MB")
    text = data.decode().replace("\r\n", "\n")
    if not text.startswith(_FENCE):
        raise ValueError("it does not begin with ---")
    head, fence, body = text.removeprefix(_FENCE).partition("\n" + _FENCE)
    if not fence:
        raise ValueError("the closing --- is missing")
    front = Front.model_validate(yaml.safe_load(head))
    return front, body.removeprefix("\n").removesuffix("\n")


def _why(exc: Exception) -> str:
    if isinstance(exc, ValidationError):
        names = {".".join(map(str, error["loc"])) or "front matter" for error in exc.errors()}
        return f"{', '.join(sorted(names))[:200]} cannot be understood"
    return " ".join(visible(str(exc), 200).split())


def written(front: Front, body: str) -> str:
    facts: dict[str, Any] = front.model_dump(mode="json")
    head = yaml.safe_dump(facts, allow_unicode=True, sort_keys=False, width=1000)
    return f"{_FENCE}{head}{_FENCE}\n{body}\n"
