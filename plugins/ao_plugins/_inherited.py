"""What a clone takes over of the repository it is made from, as a work tree would have it.

Remotes, identity, filters and the like are settings of a repository, which `git clone` leaves
behind; so are the lists of what is ignored. What describes the repository itself is not taken.
"""

import shutil
from pathlib import Path

from ao_core.files import in_our_words
from ao_core.git.repository import Git

_NOT_SECTIONS = {"extensions", "include", "includeif", "gc", "maintenance", "index", "worktree"}
_CORE = {
    "core.autocrlf", "core.eol", "core.safecrlf", "core.hookspath", "core.attributesfile",
    "core.excludesfile", "core.whitespace", "core.commentchar", "core.sshcommand", "core.editor",
}  # fmt: skip
_SCOPES = {"local", "worktree"}
_STORAGE = "lfs.storage"
_LISTS = ("exclude", "attributes")
_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\b": "\\b"})


async def inherited(git: Git, own: str) -> str:
    """The settings of a repository that hold for its clone, as text for the clone's configuration.

    `own` is the clone's name for the repository itself: a remote called the same is left out.
    """
    listed = await git.fields("config", "--includes", "--list", "--show-scope", "-z")
    pairs = zip(listed[::2], listed[1::2], strict=True)
    entries = [(scope, *entry.partition("\n")) for scope, entry in pairs]
    taken = [(key, value) for scope, key, _, value in entries if _holds(scope, key, own)]
    stored = (_STORAGE, await _storage(git))  # what large files are is not lost with the clone
    return "".join(_written(key, value) for key, value in (*taken, stored))


def take_lists(common: Path, into: Path) -> None:
    """Copy the repository's own lists of what to ignore and how to treat it."""
    for name in _LISTS:
        source, target = common / "info" / name, into / "info" / name
        if source.is_file():
            with in_our_words(target, "written"):
                target.parent.mkdir(exist_ok=True)
                shutil.copyfile(source, target)


async def _storage(git: Git) -> str:
    told = await git.call("config", "--get", _STORAGE, ok=(0, 1))
    return str(await git.common_dir() / (told.text.strip() or "lfs"))


def _holds(scope: str, key: str, own: str) -> bool:
    section = key.partition(".")[0]
    if section == "user":  # which one it is may depend on where the repository lies
        return scope != "command"
    if scope not in _SCOPES or section in _NOT_SECTIONS or key.startswith(f"remote.{own}."):
        return False
    return section != "core" or key in _CORE


def _written(key: str, value: str) -> str:
    section, _, rest = key.partition(".")
    middle, _, name = rest.rpartition(".")
    title = f'{section} "{middle.translate(_ESCAPES)}"' if middle else section
    return f'[{title}]\n\t{name} = "{value.translate(_ESCAPES)}"\n'
