"""Which paths a rule is about: inside the workspace, outside of it, or of a pattern. Pure, but that
links are followed.
"""

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path

from ao_core.engine.commands import Hit, program
from ao_core.engine.policy import RESERVED, Wish, from_folder, is_doubtful, readings, within
from ao_core.engine.shell import Script, Word
from ao_core.model.rule import INSIDE, OUTSIDE

_MOVING = frozenset({"cd", "pushd", "popd", "chdir"})
_LONGEST = 1_000
_MOST = 1_000  # paths that are looked for in one command
_READING = frozenset({"read", "search"})


@lru_cache(maxsize=512)
def _pattern(glob: str) -> re.Pattern[str]:
    """`*` and `?` stay in their folder, `**` is any number of folders, or what is in them."""
    found = re.escape(glob).replace(r"\*\*/", "(?:.*/)?").replace(r"/\*\*", "(?:/.*)?")
    found = found.replace(r"\*\*", ".*").replace(r"\*", "[^/]*").replace(r"\?", "[^/]")
    return re.compile(found, re.DOTALL)


def fits(path: Path, glob: str) -> bool:
    """Whether a path in the workspace is one of those."""
    return _pattern(glob).fullmatch(path.as_posix()) is not None


# -- what is surely covered ------------------------------------------------------------------------


def covered(where: str, wish: Wish, kind: str, workspace: Path) -> bool:
    """Whether every path that a wish without a command names is one of those."""
    paths = list(_paths(wish))
    return bool(paths) and all(_is_covered(where, path, kind, workspace) for path in paths)


def _is_covered(where: str, path: str, kind: str, workspace: Path) -> bool:
    found = within(path, workspace)
    if where == OUTSIDE:
        return found is None and _is_path(path)
    if found is None or (where != INSIDE and not fits(found, where)):
        return False
    return kind in _READING or _is_its_own(found, where)


def _is_its_own(path: Path, where: str) -> bool:
    """Whether it is the project's to edit; what is git's or ours has to be named."""
    named = {part.lower() for part in where.split("/")}
    return bool(path.parts) and not (RESERVED - named) & {part.lower() for part in path.parts}


def covers_command(wish: Wish, words: Sequence[str], workspace: Path) -> bool:
    """Whether no word of a command may name a path outside, nor any other that is told of."""
    named = (*_paths(wish), *((wish.folder,) if wish.folder else ()))
    inside = all(within(path, workspace) is not None for path in named)
    return inside and not any(is_doubtful(word, wish.folder, workspace) for word in words)


def _paths(wish: Wish) -> Iterator[str]:
    """Every path it names, as it may be meant."""
    for path in dict.fromkeys((wish.path, *wish.also)):
        if path is not None:
            yield path
            if wish.folder is not None and path != wish.folder:
                yield from_folder(wish.folder, path)


def _is_path(word: str) -> bool:
    return not word.startswith("~") and "://" not in word and "\0" not in word


# -- what may be touched ---------------------------------------------------------------------------


def touched(where: str, wish: Wish, script: Script | None, workspace: Path) -> Hit:
    """Whether a wish is about such a path: surely, perhaps, or not."""
    hits = [_touches(where, path, workspace) for path in _paths(wish)]
    if wish.folder is not None and where != INSIDE:
        hits.append(_touches(where, wish.folder, workspace))
    if script is not None:
        hits.append(_by_words(where, wish, script, workspace))
    if not wish.clear:
        hits.append(Hit.PERHAPS)
    return max(hits, default=Hit.NO)


def _touches(where: str, path: str, workspace: Path) -> Hit:
    found = within(path, workspace)
    if where == OUTSIDE:
        return Hit.NO if found is not None else Hit.YES if _is_path(path) else Hit.PERHAPS
    if found is None:
        return Hit.NO if _is_path(path) else Hit.PERHAPS
    if where == INSIDE:
        return Hit.YES
    written = _as_written(path, workspace)
    named = (found, *found.parents, written, *written.parents)
    if any(_fits_loosely(one, where) for one in named):
        return Hit.YES
    return Hit.PERHAPS if _is_above(found, where) else Hit.NO


def _fits_loosely(path: Path, glob: str) -> bool:
    """Some file systems take no notice of case."""
    return fits(Path(str(path).lower()), glob.lower())


def _as_written(path: str, workspace: Path) -> Path:
    """Before links are followed."""
    whole = os.path.normpath(workspace / path)
    return Path(os.path.relpath(whole, workspace))


def _is_above(path: Path, glob: str) -> bool:
    """Whether what the pattern is about lies beneath: a folder may stand for all that is in it."""
    plain = re.split(r"[*?]", glob.lower())[0]
    head = plain.split("/")[:-1]
    parts = path.as_posix().lower().split("/") if path.parts else []
    return head[: len(parts)] == parts


def _by_words(where: str, wish: Wish, script: Script, workspace: Path) -> Hit:
    """Any word may be a path, or hold one; which of them are, only the program knows."""
    moves = any(part and program(part[0].text) in _MOVING for part in script.parts)
    unknown = moves or not script.whole or where == INSIDE
    words = script.words[1:] if script.words else ()
    if sum(1 for word in words for _ in islice(readings(word.text), _MOST)) > _MOST:
        return Hit.PERHAPS  # it would take too long to look
    hits = [_of_word(where, word, wish.folder, workspace) for word in words]
    return max([Hit.PERHAPS if unknown else Hit.NO, *hits])


def _of_word(where: str, word: Word, folder: str | None, workspace: Path) -> Hit:
    if not word.sure or len(word.text) > _LONGEST:
        return Hit.PERHAPS
    if not word.text or where == INSIDE:
        return Hit.NO
    whole = max(_touches(where, one, workspace) for one in _meant(word.text, folder))
    if _is_partly(where, word.text, folder, workspace):
        whole = max(whole, Hit.PERHAPS)
    # what holds blanks is rather a text than a path
    return min(whole, Hit.PERHAPS) if any(map(str.isspace, word.text)) else whole


def _is_partly(where: str, word: str, folder: str | None, workspace: Path) -> bool:
    if where == OUTSIDE:
        return is_doubtful(word, folder, workspace)
    parts = [one for part in readings(word) if part for one in _meant(part, folder)]
    return any(_touches(where, part, workspace) is Hit.YES for part in parts)


def _meant(word: str, folder: str | None) -> Sequence[str]:
    return [word] if folder is None else [word, from_folder(folder, word)]
