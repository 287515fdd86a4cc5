"""Packs the wheel of a folder as an MCP bundle beside it: `python bundle/pack.py dist`.

The bundle is a project of its own that needs nothing but the wheel it carries, so that its client
has `uv` install it, with the pins that we test with. Packed twice, it is the same to the byte.
"""

import json
import sys
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # a zip knows no earlier day


def files(wheel: Path) -> dict[str, bytes]:
    """What goes into the bundle, by name."""
    with (HERE.parent / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    pins = (HERE.parent / "constraints.txt").read_text(encoding="utf-8").split()
    return {
        "manifest.json": manifest(project["version"], project["description"]).encode(),
        "pyproject.toml": surroundings(project, wheel.name, pins).encode(),
        "server.py": (HERE / "server.py").read_bytes(),
        "LICENSE": (HERE.parent / "LICENSE").read_bytes(),
        wheel.name: wheel.read_bytes(),
    }


def manifest(version: str, description: str) -> str:
    """The manifest, with what the project says of itself."""
    told = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
    whole = told | {"version": version, "description": description}
    return json.dumps(whole, indent=2) + "\n"


def surroundings(project: dict[str, str], wheel: str, pins: list[str]) -> str:
    """The project that `uv` makes an environment for."""
    return f"""\
[project]
name = "ao-mcp-bundle"
version = "{project["version"]}"
requires-python = "{project["requires-python"]}"
dependencies = ["ao-mcp"]

[tool.uv]
package = false
constraint-dependencies = {json.dumps(pins)}

[tool.uv.sources]
ao-mcp = {{ path = "{wheel}" }}
"""


def pack(folder: Path) -> Path:
    """The bundle of the one wheel in the folder."""
    (wheel,) = folder.glob("*.whl")
    bundle = folder / f"{'-'.join(wheel.name.split('-')[:2])}.mcpb"
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in sorted(files(wheel).items()):
            archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content)
    return bundle


if __name__ == "__main__":
    sys.stdout.write(f"{pack(Path(sys.argv[1]))}\n")
