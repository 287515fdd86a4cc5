"""The dialog that asks whether the worker may, answered at the keyboard or through the engine."""

from collections.abc import Callable
from dataclasses import dataclass

from ao_core.spool import HookKind
from ao_plugins._console.keys import Key
from ao_plugins._console.terminal import Terminal
from ao_plugins.agent._worker.hooks import Hooks, Request, new_request
from ao_plugins.agent._worker.turn import Permit

_TYPED = {"1": "allow", "y": "allow", "2": "deny", "n": "deny"}
_SAID = ("allow", "deny")
_PRESSED = {"enter": "allow", "escape": "deny", "interrupt": "deny"}


@dataclass(slots=True)
class Dialog:
    """Holds the keyboard while it is open. What is pasted into it goes nowhere."""

    terminal: Terminal
    hooks: Hooks
    permissionless: bool = False
    _request: Request | None = None
    _then: Callable[[str], None] | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """What it shows; nothing while it is closed."""
        if self._request is None:
            return ()
        asked = f" {self._request.tool}: {self._request.arguments}"
        return (asked, " Do you want to proceed?", " > 1. Yes   2. No")

    def ask(self, wish: Permit, then: Callable[[str], None]) -> None:
        """Open it; `then` is told `allow` or `deny`."""
        if self.permissionless:
            return then("allow")
        request = new_request(wish.tool, wish.arguments)
        self._request, self._then = request, then
        self.terminal.aside(lambda: self._through_engine(request))

    def press(self, key: Key) -> None:
        """A key, while it is open."""
        known = {"text": _TYPED, "key": _PRESSED, "paste": {}}[key.kind]
        if self._request is not None and key.value in known:
            self._close(self._request, known[key.value])

    def _through_engine(self, request: Request) -> Callable[[], None]:
        said = self.hooks.ask(request)
        return lambda: self._close(request, said) if said in _SAID else self._left(request)

    def _left(self, request: Request) -> None:
        """The engine did not answer: the keyboard has to, and whoever reads the spool knows."""
        if request is self._request:
            self.hooks.tell(
                HookKind.PERMISSION_ASKED,
                id=request.id,
                tool=request.tool,
                arguments=request.arguments,
            )

    def _close(self, request: Request, said: str) -> None:
        then = self._then
        if request is not self._request or then is None:
            return
        self._request = self._then = None
        request.closed.set()
        self.hooks.tell(HookKind.PERMISSION_ENDED, said, id=request.id, tool=request.tool)
        then(said)
