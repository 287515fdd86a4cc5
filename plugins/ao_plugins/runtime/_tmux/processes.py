"""An agent's process while it is still the stub that fetches it."""

import anyio

from ao_core import exec_stub

_LOOK_AGAIN = 0.01


async def fetched(pid: int, patience: float) -> None:
    """Wait until a stub has become its program, or has ended because its launcher is gone."""
    with anyio.move_on_after(patience):
        while await anyio.to_thread.run_sync(_is_stub, pid):  # noqa: ASYNC110
            await anyio.sleep(_LOOK_AGAIN)


def _is_stub(pid: int) -> bool:
    import psutil

    try:
        return exec_stub.__file__ in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
