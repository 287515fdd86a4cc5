"""Records of pull requests that no forge keeps: one small file each, read once, written whole."""

import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ao_core.errors import Corrupt
from ao_core.files import private_dir, write_atomic
from ao_core.model.work import Pull, PullState, ReviewState


class RemarkRecord(BaseModel):
    """One remark of a review."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str | None = None
    line: int | None = None
    body: str


class ReviewRecord(BaseModel):
    """One review, of exactly the commit `head`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    author: str
    state: ReviewState
    body: str
    at: datetime
    head: str
    remarks: tuple[RemarkRecord, ...] = ()


class PullRecord(BaseModel):
    """What was seen of one pull request.

    `head` is the last commit that had work of its own; `ready` is a finished merge that waits for
    its target.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    session: str
    branch: str
    base: str
    head: str
    title: str
    state: PullState = PullState.OPEN
    merged_as: str | None = None
    ready: str | None = None
    additions: int | None = None
    deletions: int | None = None
    reviews: tuple[ReviewRecord, ...] = ()

    def pull(self, url: str) -> Pull:
        """The record as others see it."""
        facts = self.model_dump(exclude={"session", "ready", "reviews"})
        return Pull(url=url, **facts)


@dataclass(slots=True)
class PullRecords:
    """All records in one folder, whose only writer we are."""

    folder: Path
    _known: dict[int, PullRecord] | None = field(default=None)

    def all(self) -> dict[int, PullRecord]:
        """Every record by number."""
        if self._known is None:
            paths = sorted(self.folder.glob("*.json")) if self.folder.is_dir() else []
            found = [_read(path) for path in paths]
            self._known = {record.number: record for record in found}
        return self._known

    def latest(self, session: str, branch: str) -> PullRecord | None:
        """The last record of this very work."""
        own = [one for one in self.all().values() if (one.session, one.branch) == (session, branch)]
        return max(own, key=lambda one: one.number, default=None)

    def next_number(self) -> int:
        """A number that no record has."""
        return max(self.all(), default=0) + 1

    def put(self, record: PullRecord) -> PullRecord:
        """Write a record; only what is on the disk is known."""
        private_dir(self.folder)
        text = json.dumps(record.model_dump(mode="json"), indent=1, ensure_ascii=False)
        write_atomic(self.path(record.number), text + "\n")
        self.all()[record.number] = record
        return record

    def path(self, number: int) -> Path:
        """Where a record is."""
        return self.folder / f"{number}.json"


def _read(path: Path) -> PullRecord:
    try:
        record = PullRecord.model_validate_json(path.read_bytes())
    except (ValidationError, OSError) as exc:
        hint = "Repair or remove the file."
        raise Corrupt(f"{path} is not the record of a pull request", hint=hint) from exc
    if path.stem != str(record.number):
        raise Corrupt(f"{path} holds record {record.number}", hint="Rename or remove the file.")
    return record
