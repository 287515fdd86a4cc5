"""Where nobody signs in: a project can be opened all the same, and whoever asks hears why not."""

from typing import NoReturn

from ao_core.errors import Unauthorized
from ao_core.http import Auth, Rotating


def nobody(message: str, hint: str) -> Auth:
    """Signs no request, but raises."""

    async def missing() -> NoReturn:
        raise Unauthorized(message, hint=hint)

    return Rotating(missing)
