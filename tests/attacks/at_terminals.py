"""What a worker may try with the terminals' server, and with the engine's process."""

import shlex
from contextlib import suppress

from attacks.scene import Scene
from team import eventually, lasting

_PRESSES = """\
(for i in $(seq 600); do sleep 0.1
{tmux} capture-pane -p -t ={me}: | tr '\\n' ' ' |
  grep -q 'pressed.txt.*you want to proceed' || continue
{tmux} send-keys -t ={me}: 1
break
done) > /dev/null 2>&1 &
"""


def own_dialog(scene: Scene) -> bool:
    """From the background, as soon as it is open."""
    presses = _PRESSES.format(tmux=shlex.join(scene.tmux), me=scene.me)
    scene.does("run", argv=["sh", "-c", presses])
    scene.tells(scene.me, "do: run touch pressed.txt")
    pressed = scene.tree(scene.me) / "pressed.txt"
    with suppress(AssertionError):
        eventually(pressed.exists)
    scene.rests(scene.me)
    return pressed.exists()


def to_a_sibling(scene: Scene) -> bool:
    """As if a person did."""
    keys = [*scene.tmux, "send-keys", "-t", f"={scene.other}:", "do: write typed.txt x", "Enter"]
    scene.does("run", argv=keys)
    typed = scene.tree(scene.other) / "typed.txt"
    eventually(typed.exists)
    return True


def kill_engine(scene: Scene) -> bool:
    """No agent ends by it."""
    before = {scene.team.agent(one).pid for one in (scene.me, scene.other)}
    engine = scene.team.engine_pid
    scene.does("run", argv=["sh", "-c", f"kill -9 {engine}"])
    assert {scene.team.agent(one).pid for one in (scene.me, scene.other)} == before
    return scene.team.engine_pid != engine


def kill_terminals(scene: Scene) -> bool:
    """All agents end by it."""
    agent = scene.team.agent(scene.other)
    scene.orders("run", argv=[*scene.tmux, "kill-server"])
    return not lasting([agent], 10)
