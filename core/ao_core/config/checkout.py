"""Finds a repository's main checkout and main branch by reading git's own files."""

from pathlib import Path

_HEAD_LIMIT = 4096
_COMMON_NAMES = ("main", "master", "trunk")


def main_folder(folder: Path) -> Path:
    """The same folder in the main checkout, if this one is inside a linked worktree of it."""
    for tree in (folder, *folder.parents):
        marker = tree / ".git"
        if marker.is_dir():
            return folder
        if marker.is_file():
            main = _main_checkout(tree, marker)
            return main / folder.relative_to(tree) if main else folder
    return folder


def main_branch(repository: Path) -> str:
    """The branch work goes to: the remote's, else a common name, else what is checked out."""
    git = _common_dir(repository)
    if git is None:
        return "main"
    remote = _word(git / "refs/remotes/origin/HEAD", "ref: refs/remotes/origin/")
    if remote:
        return remote
    packed = _read(git / "packed-refs", 1024 * 1024)
    for name in _COMMON_NAMES:
        if (git / "refs/heads" / name).is_file() or f" refs/heads/{name}\n" in packed:
            return name
    return _word(git / "HEAD", "ref: refs/heads/") or "main"


def _main_checkout(tree: Path, marker: Path) -> Path | None:
    """The main checkout; None where there is none, as for submodules and bare repositories."""
    private = _word(marker, "gitdir: ")
    common = _word(tree / private / "commondir", "") if private else None
    if not private or not common:
        return None
    git = (tree / private / common).resolve()
    return git.parent if git.name == ".git" else None


def _common_dir(repository: Path) -> Path | None:
    marker = repository / ".git"
    if marker.is_dir():
        return marker
    private = _word(marker, "gitdir: ")
    if not private:
        return repository if (repository / "HEAD").is_file() else None
    own = repository / private
    common = _word(own / "commondir", "")
    return own / common if common else own


def _word(path: Path, lead: str) -> str | None:
    text = _read(path, _HEAD_LIMIT).strip()
    return text.removeprefix(lead) or None if text.startswith(lead) else None


def _read(path: Path, limit: int) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return file.read(limit)
    except OSError:
        return ""
