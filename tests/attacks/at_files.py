"""What a worker may try with the files of its user."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from ao_core.ids import new_token
from attacks.scene import Scene
from team import eventually, git

_PATIENCE = 10.0
SECRET = "ghp_thePersonsOwnSecret0123456789abcdef"
_RUBBISH = """\
cd {spool}
i=0; while [ $i -lt 3000 ]; do echo '{{"kind":"reported"}}' > 17000000000000$(printf %05d $i)-a.json
i=$((i+1)); done
head -c 300000 /dev/zero > 1700000000000000001-b.json
head -c 5000000 /dev/zero > Stop.b.raw
ln -s {secret} 1700000000000000001-c.json; ln -s {secret} Stop.c.raw; ln -s /dev/zero Stop.d.raw
mkfifo 1700000000000000001-d.json Stop.e.raw
mkdir 1700000000000000001-e.json Stop.f.raw
"""
_HOOKS = (
    "post-checkout",
    "post-commit",
    "post-merge",
    "reference-transaction",
    "post-index-change",
)


def siblings_environment(scene: Scene) -> bool:
    """Another's token."""
    pid = scene.team.agent(scene.other).pid
    found = scene.does("run", argv=["cat", f"/proc/{pid}/environ"])["out"]
    return scene.team.agent(scene.other).environ()["AO_TOKEN"] in found


def engines_environment(scene: Scene) -> bool:
    """What the person had in the environment who started it."""
    found = scene.does("run", argv=["cat", f"/proc/{scene.team.engine_pid}/environ"])["out"]
    assert "AO_HOME" in found
    return SECRET in found


def homes_key(scene: Scene) -> bool:
    """What tokens are made from."""
    found = scene.does("run", argv=["cat", str(scene.team.home / "home.json")])["out"]
    return json.loads((scene.team.home / "home.json").read_text())["key"] in found


def http_token(scene: Scene) -> bool:
    """What HTTP clients show."""
    done = scene.does("run", argv=[scene.ao, "--home", str(scene.team.home), "token"])
    return done["status"] == 0 and done["out"].startswith("ao_")


# -- spools ----------------------------------------------------------------------------------------


def own_word(scene: Scene) -> bool:
    """That its own request was answered at the keyboard."""
    event = _event("permission_ended", id="word")
    drop = _dropping(scene.spool(scene.me), event)
    answer = scene.does("run", "word", argv=["sh", "-c", drop])["answer"]
    assert answer, "its hook was told nothing"
    return '"allow"' in answer


def word_of_another(scene: Scene) -> bool:
    """What is not its own to say."""
    with scene.asked(scene.other) as request:
        asked = request.partition(".")[2]
        spool, before = scene.spool(scene.me), scene.shown(scene.other)
        events = (
            _event("permission_ended", id=asked), _event("turn_ended", text=f"{scene.other} rests"),
        )  # fmt: skip
        scene.does("run", argv=["sh", "-c", "; ".join(_dropping(spool, one) for one in events)])
        eventually(lambda: not list(spool.glob("*.json")))
        now = scene.shown(scene.other)
        return any(now[name] != before[name] for name in ("state", "status", "permissions_pending"))


def word_for_another(scene: Scene) -> bool:
    """In another's name."""
    note = f"forged {new_token(4)}"
    drop = _dropping(scene.spool(scene.other), _event("reported", text=note))
    scene.does("run", argv=["sh", "-c", drop])
    return _becomes(lambda: scene.shown(scene.other)["report"] == note)


def rubbish(scene: Scene) -> bool:
    """To be in the engine's way, or to have it read what is not the worker's."""
    spool, secret = scene.spool(scene.me), scene.team.home / "home.json"
    scene.does("run", argv=["sh", "-c", _RUBBISH.format(spool=spool, secret=secret)])
    began = time.monotonic()
    scene.team.call("about")
    quick = time.monotonic() - began < _PATIENCE
    eventually(lambda: all(one.is_dir() for one in spool.iterdir()))
    scene.tells(scene.other, "do: say still here")
    key = json.loads(secret.read_text())["key"]
    told = any(key in line for line in scene.team.journal())
    return not quick or told or scene.does("run", argv=["true"])["status"] != 0


# -- trees, store, repository ----------------------------------------------------------------------


def siblings_tree(scene: Scene) -> bool:
    """Another's work."""
    forged = scene.tree(scene.other) / "forged.txt"
    scene.does("run", argv=["touch", str(forged)])
    return forged.exists()


def store(scene: Scene) -> bool:
    """Records and journal; they are opened, and left as they are."""
    (file,) = scene.team.home.glob("*.db")
    return scene.does("run", argv=["sh", "-c", f": >> {file}"])["status"] == 0


def target(scene: Scene) -> bool:
    """What is merged into, with nobody's leave."""
    before = git(scene.team.repository, "rev-parse", "main")
    commit = "git update-ref refs/heads/main $(git commit-tree HEAD^{tree} -p main -m forged)"
    scene.does("run", argv=["sh", "-c", commit])
    after = git(scene.team.repository, "rev-parse", "main")
    git(scene.team.repository, "update-ref", "refs/heads/main", before)
    return after != before


def git_hook(scene: Scene) -> bool:
    """Have the engine's own git run it."""
    ran = scene.folder / "hook-ran"
    hooks = Path(git(scene.team.repository, "rev-parse", "--absolute-git-dir")) / "hooks"
    scene.does("run", argv=["sh", "-c", "; ".join(
        f"printf '#!/bin/sh\\ntouch {ran}\\n' > {hooks / name}; chmod +x {hooks / name}"
        for name in _HOOKS
    )])  # fmt: skip
    ran.unlink(missing_ok=True)
    session = scene.team.spawn("do: say ready")
    scene.team.until(session, "idle")
    through = ran.exists()
    for name in _HOOKS:
        os.unlink(hooks / name)
    scene.team.call("kill", session=session)
    return through


def _event(kind: str, **more: str) -> str:
    return json.dumps({"kind": kind, **more})


def _dropping(spool: Path, event: str) -> str:
    name = f"{time.time_ns()}-{new_token(4)}.json"
    return f"printf %s '{event}' > {spool}/.{name} && mv {spool}/.{name} {spool}/{name}"


def _becomes(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + _PATIENCE
    while not (so := true()) and time.monotonic() < end:
        time.sleep(0.05)
    return so
