"""Commits that are replayed say which session they come from, also where their author forgot it."""

from ao_core.git.repository import Git
from ao_core.ids import SessionId

_KEY = "AO-Session"
_SIGNATURES = (b"gpgsig ", b"gpgsig-sha256 ")  # no longer true of what is changed


async def named(git: Git, onto: str, head: str, session: SessionId) -> str:
    """The commits from `onto` to `head`, one line of them, anew from the first without a trailer.

    Author, committer, dates, files and words stay as they are.
    """
    how = ("--reverse", "-z", f"--format=%H %(trailers:key={_KEY},valueonly,separator=%x20)")
    every = await git.fields("log", *how, "--end-of-options", f"{onto}..{head}", "--")
    tip, moved = onto, False
    for commit, _, whose in (one.partition(" ") for one in every):
        lacks = not whose.strip()
        moved = moved or lacks
        tip = await _anew(git, commit, tip, session if lacks else None) if moved else commit
    return tip if every else head


async def _anew(git: Git, commit: str, parent: str, session: SessionId | None) -> str:
    raw = (await git.call("cat-file", "commit", commit)).stdout
    facts, _, message = raw.partition(b"\n\n")
    if session is not None:
        how = ("--no-divider", "--where=end", "--if-exists=add", "--if-missing=add")
        trailer = ("--trailer", f"{_KEY}: {session}")
        message = (await git.call("interpret-trailers", *how, *trailer, stdin=message)).stdout
    data = b"\n".join([*_with_parent(facts, parent), b"", message])
    done = await git.call("hash-object", "-t", "commit", "-w", "--stdin", stdin=data)
    return done.text.strip()


def _with_parent(facts: bytes, parent: str) -> list[bytes]:
    tree, *rest = facts.split(b"\n")
    kept, signature = list[bytes](), False
    for line in rest:
        signature = line.startswith(_SIGNATURES) or (signature and line.startswith(b" "))
        if not signature and not line.startswith(b"parent "):
            kept.append(line)
    return [tree, f"parent {parent}".encode(), *kept]
