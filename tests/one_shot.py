"""A coding agent that does one turn and ends: it does what the lines of its message say.

It keeps a log in its workspace, from which it remembers, and reads its arguments as programs do: a
message that began with a dash would be an option to it.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import termios
import time
from datetime import UTC, datetime
from pathlib import Path

LOG = ".ao/one-shot.jsonl"


def put(role: str, text: str, **more: object) -> None:
    Path(LOG).parent.mkdir(exist_ok=True)
    line = {"role": role, "text": text, "at": datetime.now(UTC).isoformat(), **more}
    with Path(LOG).open("a") as log:
        log.write(json.dumps(line) + "\n")


def told(workspace: Path) -> list[tuple[bool, str]]:
    """Its messages so far, each with whether it was to remember."""
    try:
        lines = [json.loads(line) for line in (workspace / LOG).read_text().splitlines()]
    except OSError:
        return []
    return [(line["resumed"], line["text"]) for line in lines if line["role"] == "user"]


def commit(what: str) -> None:
    Path(f"{what}.txt").write_text(f"{what}\n")
    for words in (["add", f"{what}.txt"], ["commit", "-qm", what]):
        subprocess.run(["git", *words], check=True)
    says(f"committed {what}\n")


def waits(how: str) -> None:
    if how == "deaf":
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with subprocess.Popen(["sleep", "600"]) as child:
        Path("waits").write_text(f"{os.getpid()} {child.pid}")
        time.sleep(600)


def disturbs(how: str) -> None:
    """Leave the terminal as a shell wants it, on its other screen, with margins and a colour."""
    mode = termios.tcgetattr(1)
    mode[1] &= ~termios.ONLCR
    mode[3] |= termios.ECHO | termios.ICANON | termios.ISIG
    termios.tcsetattr(1, termios.TCSANOW, mode)
    os.set_blocking(1, False)
    says("\x1b[?2004l\x1b[?1049h\x1b[2J\x1b[5;9rall mine\x1b[31m\x1b[?25l")


def says(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def does(line: str) -> None:
    verb, _, rest = line.removeprefix("do: ").partition(" ")
    if verb == "exit":
        sys.exit(int(rest))
    if verb == "signal":
        os.kill(os.getpid(), int(rest))
    if act := {"commit": commit, "wait": waits, "disturb": disturbs}.get(verb):
        act(rest)
    if verb in ("blocked", "waiting_input"):
        put("assistant", rest, state=verb)
        sys.exit(0)
    if verb == "say":
        says(f"{rest}\n")


def main() -> None:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--resume", default="")
    parser.add_argument("--file", default="")
    parser.add_argument("message", nargs="?")
    options = parser.parse_args()
    message = Path(options.file).read_text() if options.file else options.message
    if not options.resume:
        put("session", "native-1")
    put("user", message, resumed=bool(options.resume), state="active")
    for line in message.splitlines():
        if line.startswith("do: "):
            does(line)
    put("assistant", f"did {message.splitlines()[-1][:100]}", state="ready")


if __name__ == "__main__":
    main()
