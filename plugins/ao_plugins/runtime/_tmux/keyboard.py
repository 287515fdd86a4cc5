"""Screen and keyboard of an agent in tmux, each step judged and taken in one tmux call."""

from collections.abc import Sequence

from ao_core.errors import BadRequest, WrongState
from ao_core.ids import new_token
from ao_core.model.session import RuntimeHandle
from ao_core.slots.runtime import Attended, Marks, Typable
from ao_plugins.runtime._tmux.control import Answer, Control, TmuxRefused, command
from ao_plugins.runtime._tmux.panes import (
    PASTED,
    SUBMITTED,
    every,
    hidden,
    pane_of,
    running,
    same,
    visible,
)

_YES = "yes"
_MARK_LIMIT = 200


class TmuxKeyboard(Typable, Attended):
    """The part of the tmux runtime that shows and types."""

    control: Control

    async def screen(self, handle: RuntimeHandle) -> str:
        """What is visible now."""
        (text,) = await self._must(handle, command("capture-pane", "-p", "-t", pane_of(handle)))
        return trimmed(text)

    async def paste(
        self, handle: RuntimeHandle, text: str, *, mark: str, refuse: Sequence[str]
    ) -> bool:
        """Paste, bracketed if the agent has asked its terminal for that."""
        conditions = (hidden(refuse),) if refuse else ()
        return await self._paste(handle, text, conditions, _marking(handle, PASTED, mark))

    async def shows(self, handle: RuntimeHandle, texts: Sequence[str]) -> bool:
        """Whether one of the texts is visible."""
        return bool(texts) and await self._when(handle, (visible(texts),)) is not None

    async def submit(
        self, handle: RuntimeHandle, keys: Sequence[str], *, mark: str,
        expect: Sequence[str], refuse: Sequence[str],
    ) -> bool:  # fmt: skip
        """Press the keys if the screen is as it should be."""
        conditions = (running(), visible(expect), *([hidden(refuse)] if refuse else []))
        steps = (_marking(handle, SUBMITTED, mark), *_pressing(handle, keys))
        return await self._when(handle, conditions, *steps) is not None

    async def press(
        self, handle: RuntimeHandle, keys: Sequence[str], *, expect: Sequence[str]
    ) -> bool:
        """Press the keys if one of the texts is visible."""
        conditions = (running(), *([visible(expect)] if expect else []))
        return await self._when(handle, conditions, *_pressing(handle, keys)) is not None

    async def marks(self, handle: RuntimeHandle) -> Marks:
        """What the pane itself remembers."""
        pane = pane_of(handle)
        asking = [
            command("display-message", "-p", "-t", pane, f"#{{{name}}}")
            for name in (PASTED, SUBMITTED)
        ]
        pasted, submitted = await self._must(handle, *asking)
        return Marks(pasted or None, submitted or None)

    async def attended(self, handle: RuntimeHandle) -> bool:
        """Whether a person is attached; our own client keeps to a session of its own."""
        count = command("display-message", "-p", "-t", pane_of(handle), "#{session_attached}")
        return (await self._must(handle, count))[0].strip() not in ("", "0")

    async def _paste(
        self, handle: RuntimeHandle, text: str, conditions: Sequence[str], *before: str
    ) -> bool:
        if not text:
            return await self._when(handle, (running(), *conditions), *before) is not None
        pane, buffer = pane_of(handle), f"ao-{new_token(6)}"
        load = command("set-buffer", "-b", buffer, "--", text)
        drop = command("delete-buffer", "-b", buffer)
        steps = (
            *before,
            command("copy-mode", "-q", "-t", pane),
            command("paste-buffer", "-p", "-r", "-d", "-b", buffer, "-t", pane),
        )
        judged = (running(), *conditions)
        answer = await self._when(handle, judged, *steps, first=load, otherwise=drop)
        return answer is not None

    async def _must(self, handle: RuntimeHandle, *steps: str) -> Answer:
        """What the steps print, dead or alive; raises if the agent's pane is gone."""
        answer = await self._when(handle, (), *steps)
        if answer is None:
            raise WrongState(f"{handle.id} is gone from tmux", hint="`restore` brings it back.")
        return answer

    async def _when(
        self, handle: RuntimeHandle, conditions: Sequence[str], *steps: str,
        first: str | None = None, otherwise: str | None = None,
    ) -> Answer | None:  # fmt: skip
        """Take the steps if all conditions hold; what they print, or None if one does not."""
        condition = every(same(handle), *conditions)
        chosen = " ; ".join((command("display-message", "-p", _YES), *steps))
        branches = (chosen, otherwise) if otherwise else (chosen,)
        judge = command("if-shell", "-F", "-t", pane_of(handle), condition, *branches)
        try:
            answer = await self.control.ask(*([first] if first else []), judge)
        except TmuxRefused as exc:
            if "can't find pane" not in exc.message:
                raise
            if otherwise:
                await self.control.ask(otherwise)
            return None
        return answer[answer.index(_YES) + 1 :] if _YES in answer[: 2 + bool(first)] else None


def trimmed(text: str) -> str:
    """A capture without the blanks that fill the screen."""
    return "\n".join(line.rstrip(" ") for line in text.split("\n")).rstrip("\n")


def _marking(handle: RuntimeHandle, name: str, mark: str) -> str:
    if not mark.isprintable() or len(mark) > _MARK_LIMIT:
        raise BadRequest("a mark must be short and printable")
    return command("set-option", "-p", "-t", pane_of(handle), name, mark)


def _pressing(handle: RuntimeHandle, keys: Sequence[str]) -> list[str]:
    # a person who scrolls holds the keyboard back from the agent
    pane = pane_of(handle)
    sending = [command("send-keys", "-t", pane, "--", *keys)] if keys else []
    return [command("copy-mode", "-q", "-t", pane), *sending]
