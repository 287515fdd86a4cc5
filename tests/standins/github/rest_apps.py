"""Tokens for installations of apps: https://docs.github.com/rest/apps/apps"""

from datetime import UTC, datetime

import jwt

from standins.github.rest import Answer, Asked, answers, found
from standins.github.state import Access, Refused
from standins.github.world import World

_OPERATION = "apps/create-installation-access-token"
_LONGEST = 600  # seconds that an app's own word may be good for
_LASTS = 3600


def proved(world: World, word: str) -> Access | None:
    """Who an app is that has signed this, if it is in order."""
    try:
        told = jwt.decode(word, options={"verify_signature": False})
        app = world.apps[str(told["iss"])]
        told = jwt.decode(
            word, app.public_key, algorithms=["RS256"],
            options={"verify_exp": False, "verify_iat": False, "require": ["iat", "exp", "iss"]},
        )  # fmt: skip
    except (jwt.PyJWTError, KeyError):
        return None
    now = world.now()
    in_time = told["iat"] <= now < told["exp"] <= now + _LONGEST
    return Access(word, world.user(f"app-{app.id}", "Bot")) if in_time else None


@answers(_OPERATION)
def installed(asked: Asked) -> Answer:
    word = asked.access.token
    if proved(asked.world, word) is None:
        raise Refused(401, "A JSON web token could not be decoded")
    app = asked.world.apps[jwt.decode(word, options={"verify_signature": False})["iss"]]
    found(app if str(app.installation) == asked.path["installation_id"] else None)
    token = asked.world.token(f"ghs_{asked.world.next_id()}", asked.by.login)
    until = datetime.fromtimestamp(asked.world.now() + _LASTS, UTC)
    ends = until.strftime("%Y-%m-%dT%H:%M:%SZ")
    told = {"token": token.token, "expires_at": ends, "repository_selection": "all"}
    return Answer(201, told)
