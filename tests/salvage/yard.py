"""A repository with some of everything that git can have, and a look at what a folder holds."""

import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = bytes(range(256)) * 40
LARGE = b"large \x00\xff" * 1_000
_OWN = (".git", ".ao")
_IDENTITY = {
    f"GIT_{role}_{what}": text
    for role in ("AUTHOR", "COMMITTER")
    for what, text in (("NAME", "A Person"), ("EMAIL", "person@example.invalid"))
}
ENVIRONMENT = {**_IDENTITY, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
ATTRIBUTES = """\
*.large filter=lfs -text
*.id ident
*.unix text eol=lf
*.dos text eol=crlf
*.u16 text working-tree-encoding=UTF-16LE
"""
# plays the part of git-lfs where that is not installed: the index has a name, a store the content
_STAND_IN = """\
own=$(git rev-parse --path-format=absolute --git-common-dir)/lfs
store=$(git config lfs.storage || echo "$own")
draft=$(mktemp "$1.XXXXXX"); cat > "$draft"
case $2 in
clean) name=$(sha256sum < "$draft" | cut -c1-64); mkdir -p "$store"
       cp "$draft" "$store/$name"; printf 'stored %s\\n' "$name" ;;
smudge) read -r word name < "$draft"
        if [ "$word" = stored ]; then cat "$store/$name"; else cat "$draft"; fi ;;
esac
rm "$draft"
"""


def git(folder: Path, *args: str, ok: bool = True, data: bytes | None = None) -> str:
    """One git command, by a person whose own configuration is empty."""
    done = subprocess.run(
        ["git", *args], cwd=folder, env={**os.environ, **ENVIRONMENT}, input=data,
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0 or not ok, (args, done.stderr)
    return os.fsdecode(done.stdout).removesuffix("\n")


def commit(folder: Path, name: str, content: bytes | str) -> str:
    """Write a file and commit it."""
    write(folder / name, content)
    git(folder, "add", "--force", "--", name)
    git(folder, "commit", "-q", "-m", f"add {name}")
    return git(folder, "rev-parse", "HEAD")


def write(path: Path, content: bytes | str) -> None:
    """Write a file, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def settled(root: Path, aside: Path) -> None:
    """Put some of everything into a repository; what it needs beside it lies `aside`."""
    _filtered(root, aside)
    git(root, "config", "core.autocrlf", "true")
    git(root, "config", "protocol.file.allow", "always")
    write(root / ".gitattributes", ATTRIBUTES)
    write(root / ".gitignore", ".env*\nbuild/\n")
    for name in ("one", "two", "three", "four", "script.sh", "in/a", "in/b", "out/c", "out/d/e"):
        write(root / name, f"{name}\n")
    write(root / "mixed.txt", b"one\r\ntwo\r\n")
    write(root / "file.dos", b"one\r\ntwo\r\n")
    write(root / "file.u16", "text\n".encode("utf-16-le"))
    write(root / "binary", BLOCK)
    write(root / "first.large", LARGE)
    (root / "link").symlink_to("one")
    _submodules(root, aside)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "some of everything")


def _filtered(root: Path, aside: Path) -> None:
    if shutil.which("git-lfs"):
        git(root, "lfs", "install", "--local", "--skip-repo")
        return
    script = aside / "stand-in.sh"
    write(script, _STAND_IN)
    for side in ("clean", "smudge"):
        git(root, "config", f"filter.lfs.{side}", f"sh '{script}' '{script}' {side}")
    git(root, "config", "filter.lfs.required", "true")


def _submodules(root: Path, aside: Path) -> None:
    """One submodule, with another one in it."""
    for name in ("inner", "outer"):
        git(aside, "init", "-q", "-b", "main", name)
        commit(aside / name, "tracked", f"{name}\n")
    commit(aside / "outer", ".gitignore", ".env*\n")
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    git(aside / "outer", *add, str(aside / "inner"), "deep")
    git(aside / "outer", "commit", "-q", "-m", "deep")
    git(root, *add, str(aside / "outer"), "sub")


# -- what lies there -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Entry:
    """A file or link: what it is, whether it runs, and its bytes."""

    kind: str
    runs: bool
    data: str


def files(root: Path, *without: str) -> dict[str, Entry]:
    """Every file and link of a folder, but git's and ours, what is ignored, and what is named."""
    found = {name: _entry(root / name) for name in _walk(root, "")}
    left_out = (*without, "build")
    parts = {name: (name, *_above(name)) for name in found}
    return {name: one for name, one in found.items() if not set(parts[name]) & set(left_out)}


def _above(name: str) -> Iterator[str]:
    while name := os.path.dirname(name):
        yield name


def _walk(root: Path, folder: str) -> Iterator[str]:
    for one in os.scandir(root / folder):
        name = os.path.join(folder, one.name)
        if one.is_dir(follow_symlinks=False):
            yield from _walk(root, name) if one.name not in _OWN else ()
        elif one.name not in _OWN:
            yield name


def _entry(path: Path) -> Entry:
    facts = path.lstat()
    if stat.S_ISLNK(facts.st_mode):
        return Entry("link", False, os.readlink(path))
    data = path.read_bytes()
    shown = data.decode("latin-1") if len(data) < 100 else hashlib.sha256(data).hexdigest()
    return Entry("file", bool(facts.st_mode & stat.S_IXUSR), shown)


def index(root: Path) -> set[str]:
    """Every line of the index: mode, object, stage and name."""
    return set(filter(None, git(root, "ls-files", "--stage", "-z").split("\0")))


def history(root: Path) -> dict[str, object]:
    """What a repository of its own has: commits, stashes, and how its files stand to its index."""
    return {
        "commits": set(git(root, "rev-list", "HEAD", "--all").split()),
        "stashes": git(root, "stash", "list", "--format=%H").split(),
        "status": git(root, "status", "--porcelain=v2", "--untracked-files=all", "-z"),
        "head": git(root, "rev-parse", "HEAD"),
        "index": index(root),
    }
