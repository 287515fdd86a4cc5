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
                for source, name in _members(root, item):
                    if item.git_dir and source == item.git_dir / "config":
                        _add_config(archive, source, name)
                    else:
                        archive.add(source, name, recursive=False)
        file.flush()
        os.fsync(file.fileno())


def _add_config(archive: tarfile.TarFile, source: Path, name: str) -> None:
    # a submodule's own setting points from its old place to its old work tree
    lines = source.read_bytes().splitlines(keepends=True)
    content = b"".join(line for line in lines if not line.strip().startswith(b"worktree ="))
    info = archive.gettarinfo(source, name)
    info.size = len(content)
    archive.addfile(info, io.BytesIO(content))


def _members(root: Path, item: Item) -> Iterator[tuple[Path, str]]:
    path = item.path.rstrip("/")
    pointer = root / path / ".git" if item.git_dir else None
    yield from ((source, name) for source, name in _walk(root / path, path) if source != pointer)
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
