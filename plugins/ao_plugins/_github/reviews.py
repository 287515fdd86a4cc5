"""Every review that was submitted, the old ones too.

https://docs.github.com/rest/pulls/reviews#list-reviews-for-a-pull-request
"""

from datetime import datetime

from pydantic import BaseModel

from ao_core.model.work import Review, ReviewState
from ao_core.redact import visible
from ao_plugins._github.host import GitHub
from ao_plugins._github.said import BODY, NAME, NOBODY, REVIEWS

_PAGE = 100


class _Account(BaseModel):
    login: str


class _PastReview(BaseModel):
    user: _Account | None = None
    state: str
    body: str
    submitted_at: datetime | None = None

    def review(self) -> Review | None:
        if self.submitted_at is None:
            return None
        who = visible(self.user.login, NAME) if self.user else NOBODY
        state = REVIEWS.get(self.state, ReviewState.COMMENTED)
        return Review(who, state, visible(self.body, BODY), self.submitted_at)


async def reviews_of(github: GitHub, number: int) -> tuple[Review, ...]:
    """Oldest first, from all pages."""
    path = f"{github.path}/pulls/{number}/reviews"
    pages = github.rest.pages(path, into=list[_PastReview], params={"per_page": _PAGE})
    found = [one.review() async for one in pages]
    return tuple(sorted((one for one in found if one), key=lambda one: one.at))
