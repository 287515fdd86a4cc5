"""What one worker said to another, or to whoever leads it."""

from dataclasses import dataclass
from datetime import datetime

LEAD = "lead"


@dataclass(frozen=True, slots=True)
class Saying:
    """One thing said. `message` is the one in the outbox; to the lead none is needed."""

    at: datetime
    to: str
    text: str
    message: str | None = None
