"""Objects that threads may share, since their public methods wait for each other."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import wraps
from inspect import isfunction
from typing import Any


class OneAtATime:
    """Its public methods wait for each other, whichever thread they are called on."""

    lock: AbstractContextManager[Any]

    def __init_subclass__(cls) -> None:
        for name, method in list(vars(cls).items()):
            if isfunction(method) and not name.startswith("_"):
                setattr(cls, name, _waiting(method))


def _waiting(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def called(self: OneAtATime, *given: Any, **named: Any) -> Any:
        with self.lock:
            return method(self, *given, **named)

    return called
