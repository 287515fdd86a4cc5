"""An archive of what git would not keep: nested repositories, submodules, listed ignored files."""

import hashlib
import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ao_core.errors import StoreUnavailable
from ao_core.files import in_our_words, sync_folder
from ao_core.platform import disk_remedy


@dataclass(frozen=True, slots=True)
class Item:
    """A file or folder of the work tree; `git_dir` is where a submodule keeps its history."""

    path: str
    git_dir: Path | None = None


@dataclass(frozen=True, slots=True)
class Measured:
    """How big an item is, and a mark that changes with it."""

    item: Item
    size: int
    mark: str


def measure(root: Path, items: Sequence[Item]) -> tuple[Measured, ...]:
    """Look at each item, without reading its content."""
    with in_our_words(root, "read"):
        return tuple(_measure(root, item) for item in items)


def chosen(found: Sequence[Measured], limit: int) -> tuple[Measured, ...]:
    """Those that fit, the smallest first."""
    kept: list[Measured] = []
    for one in sorted(found, key=lambda one: (one.size, one.item.path)):
        if sum(other.size for other in kept) + one.size <= limit:
            kept.append(one)
    return tuple(kept)


def write(root: Path, items: Sequence[Item], target: Path) -> None:
    """Write the archive whole or not at all, for its owner only."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, draft = tempfile.mkstemp(prefix=".new-", dir=target.parent)
        try:
            _fill(descriptor, root, items)
            os.replace(draft, target)
            sync_folder(target.parent)
        except BaseException:  # interrupted, too: no draft stays
            Path(draft).unlink(missing_ok=True)
            raise
    except (OSError, tarfile.TarError) as exc:
        hint = disk_remedy(exc) if isinstance(exc, OSError) else None
        raise StoreUnavailable(f"{target} cannot be written: {exc}", hint=hint) from exc


def unpack(source: Path, folder: Path) -> None:
    """Put back what an archive holds, if there is one."""
    try:
        with tarfile.open(source) as archive:
            # Python 3.11.2 has no filters yet
            archive.extraction_filter = getattr(tarfile, "tar_filter", None)
            archive.extractall(folder)  # noqa: S202 - we wrote it, and the filter keeps it inside
    except FileNotFoundError:
        return
    except (OSError, tarfile.TarError) as exc:
        raise StoreUnavailable(f"{source} cannot be put back: {exc}") from exc


def _fill(descriptor: int, root: Path, items: Sequence[Item]) -> None:
    with os.fdopen(descriptor, "wb") as file:
        with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
            for item in items:
                said = _said_anew(root, item)
                for source, name in _members(root, item):
                    if source in said:
                        _add(archive, source, name, said[source])
                    else:
                        archive.add(source, name, recursive=False)
        file.flush()
        os.fsync(file.fileno())


def _add(archive: tarfile.TarFile, source: Path, name: str, content: bytes) -> None:
    info = archive.gettarinfo(source, name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _said_anew(root: Path, item: Item) -> dict[Path, bytes]:
    """What a submodule, and those in it, say of where the other half lies: as it will lie then."""
    if item.git_dir is None:
        return {}
    path, own = item.path.rstrip("/"), Path(os.path.realpath(item.git_dir))
    said = {item.git_dir / "config": _config(item.git_dir / "config", None)}
    for source, name in _walk(root / path, path):
        found = _pointed(source) if source.name == ".git" else None
        if found and found != own and found.is_relative_to(own):
            inside, folder = found.relative_to(own), os.path.dirname(name)
            history = os.path.join(path, ".git", inside)
            said[source] = b"gitdir: " + os.fsencode(os.path.relpath(history, folder)) + b"\n"
            config = item.git_dir / inside / "config"
            said[config] = _config(config, os.path.relpath(folder, history))
    return said


def history_in(folder: Path, repository: Path) -> Path | None:
    """Where a repository keeps its history, if it is there."""
    found = _pointed(repository / ".git")
    return found if found and found.is_relative_to(os.path.realpath(folder)) else None


def _pointed(file: Path) -> Path | None:
    if not file.is_file():
        return None
    text = os.fsdecode(file.read_bytes()[:10_000]).removeprefix("gitdir: ").rstrip("\n")
    return Path(os.path.realpath(file.parent / text))


def _config(source: Path, worktree: str | None) -> bytes:
    # the setting points from the old place to the old work tree
    lines = source.read_bytes().splitlines(keepends=True)
    kept = [line for line in lines if not line.strip().startswith(b"worktree =")]
    quoted = (worktree or "").replace("\\", "\\\\").replace('"', '\\"')
    more = [b'[core]\n\tworktree = "' + os.fsencode(quoted) + b'"\n'] if worktree else []
    return b"".join([*kept, *more])


def _members(root: Path, item: Item) -> Iterator[tuple[Path, str]]:
    path = item.path.rstrip("/")
    pointer = root / path / ".git" if item.git_dir else None
    if os.path.lexists(root / path):
        files = _walk(root / path, path)
        yield from ((source, name) for source, name in files if source != pointer)
    if item.git_dir:
        yield from _walk(item.git_dir, f"{path}/.git")


def _walk(top: Path, name: str) -> Iterator[tuple[Path, str]]:
    yield top, name
    if top.is_dir() and not top.is_symlink():
        for entry in sorted(os.scandir(top), key=lambda entry: entry.name):
            yield from _walk(Path(entry.path), f"{name}/{entry.name}")


def _measure(root: Path, item: Item) -> Measured:
    size, digest = 0, hashlib.sha256()
    for source, name in _members(root, item):
        facts = source.lstat()
        plain = not source.is_dir() or source.is_symlink()
        size += facts.st_size if plain else 0
        # reading a repository may rewrite its index; its mark must not change by that
        if plain and not name.endswith("/.git/index"):
            line = f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\0{facts.st_mode}\n"
            digest.update(os.fsencode(line))
    return Measured(item, size, digest.hexdigest()[:32])
