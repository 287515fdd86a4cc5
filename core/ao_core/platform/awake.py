"""How each system is asked not to go to sleep by itself. A choice only; nothing is run here."""

from ao_core.platform.kind import System

_WHO, _WHY = "--who=ao-mcp", "--why=agents are working"


def inhibitors(on: System, pid: int) -> tuple[tuple[str, ...], ...]:
    """The commands that hold the machine awake until their input ends or `pid` does, best first.

    Over a remote login Linux lets nobody hold off every sleep, but anybody that of idleness.
    """
    if on == "macos":
        return (("caffeinate", "-i", "-w", str(pid)),)
    if on == "linux":
        return tuple(
            ("systemd-inhibit", f"--what={what}", _WHO, _WHY, "--mode=block", "cat")
            for what in ("idle:sleep", "idle")
        )
    return ()
