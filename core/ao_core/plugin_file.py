"""Loads a plugin's class from a file by its path.

The file gets a private module name made of its path and content; `sys.path` stays as it is, and no
compiled copy is read or written, so that what runs is what was read.
"""

import hashlib
import sys
from importlib.abc import SourceLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from ao_core.errors import BrokenPlugin, ConfigError

_SIZE_LIMIT = 1024 * 1024


class _Given(SourceLoader):
    """Runs the source it was given."""

    def __init__(self, path: Path, source: bytes) -> None:
        self._path, self._source = path, source

    def get_filename(self, fullname: str) -> str:
        return str(self._path)

    def get_data(self, path: str | bytes) -> bytes:
        return self._source


def load_file(path: Path, attribute: str) -> object:
    """The class `attribute` of the file; raises whatever its code raises."""
    source = _source(path)
    digest = hashlib.sha256(b"\0".join((bytes(path), source))).hexdigest()
    name = f"_ao_file_{digest[:24]}"
    module = sys.modules.get(name) or _executed(name, path, source)
    return getattr(module, attribute, None)


def _source(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            source = file.read(_SIZE_LIMIT + 1)
    except (OSError, ValueError) as exc:
        raise ConfigError(
            f"There is no plugin file {path}.", hint="Paths are relative to the configuration."
        ) from exc
    if len(source) > _SIZE_LIMIT:
        raise BrokenPlugin(f"{path} is too long for a plugin.")
    return source


def _executed(name: str, path: Path, source: bytes) -> ModuleType:
    spec = spec_from_loader(name, _Given(path, source), origin=str(path))
    if spec is None or spec.loader is None:
        raise BrokenPlugin(f"{path} cannot be loaded.")
    module = module_from_spec(spec)
    sys.modules[name] = module  # type annotations are looked up there
    try:
        spec.loader.exec_module(module)
    except BaseException:  # its code may raise anything; half a module is none
        del sys.modules[name]
        raise
    return module
