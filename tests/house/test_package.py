"""What people install: wheel and sdist hold the right files, and start beside anybody's code."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = {"ao_core": "core", "ao_mcp": "", "ao_plugins": "plugins", "ao_prompts": "prompts"}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300), pytest.mark.xdist_group("package")]


def run(*argv: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        argv,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with wheel and sdist; the wheel is built from the sdist."""
    out = tmp_path_factory.mktemp("built")
    build = (sys.executable, "-I", "-m", "build", "--no-isolation", "--outdir", out, ROOT)
    run(*build, cwd=out)
    return out


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that holds the wheel, and nothing of this checkout."""
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=True)
    python = home / "bin" / "python"
    pip = (sys.executable, "-I", "-m", "pip", "--python", python, "--disable-pip-version-check")
    run(*pip, "install", "--quiet", "--no-deps", "--no-index", *built.glob("*.whl"), cwd=home)
    lend_dependencies(home)
    return home / "bin"


def lend_dependencies(home: Path) -> None:
    """A folder named in a .pth is searched; its own .pth files, our editable install, are not."""
    packages = sysconfig.get_path("purelib", vars={"base": str(home)})
    (Path(packages) / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Somebody's checkout whose folders have the names of ours, and say so when imported."""
    for name in ("core", "plugins", "prompts", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"print('WRONG {name}')\n")
    return tmp_path


def names(built: Path, suffix: str) -> set[str]:
    (archive,) = built.glob(f"*{suffix}")
    if suffix == ".whl":
        return set(zipfile.ZipFile(archive).namelist())
    with tarfile.open(archive) as tar:
        return {member.name.partition("/")[2] for member in tar if member.isfile()}


def sources(pattern: str) -> set[str]:
    """Our files as a wheel names them."""
    rooms = {name: ROOT / room for name, room in OURS.items()}
    return {
        path.relative_to(room).as_posix()
        for name, room in rooms.items()
        for path in (room / name).rglob(pattern)
    }


def test_the_wheel_brings_four_packages_and_no_other_name(built: Path) -> None:
    tops = {name.partition("/")[0] for name in names(built, ".whl")}
    assert tops == {*OURS, "ao_mcp-0.1.0.dist-info"}


@pytest.mark.parametrize("pattern", ["*.py", "*.md"])
def test_the_wheel_holds_every_source_file_and_prompt(built: Path, pattern: str) -> None:
    wanted = sources(pattern)
    assert wanted
    assert wanted - names(built, ".whl") == set()


def test_the_sdist_holds_what_it_takes_to_build_and_test(built: Path) -> None:
    wanted = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "Makefile"}
    wanted |= {"constraints.txt", "mcp.json.example", "tests/house/test_package.py"}
    wanted |= {"server.json", "bundle/pack.py", "bundle/manifest.json", "bundle/server.py"}
    assert wanted - names(built, ".tar.gz") == set()


def test_the_sdist_holds_nothing_that_was_only_generated(built: Path) -> None:
    generated = (".venv/", "build/", "dist/", "__pycache__/", ".pyc")
    found = [n for n in names(built, ".tar.gz") if any(part in n for part in generated)]
    assert found == []


def test_the_bundle_carries_the_wheel_and_asks_for_nothing_else(built: Path) -> None:
    pack = (sys.executable, "-I", ROOT / "bundle" / "pack.py", built)
    bundle = Path(run(*pack, cwd=built).strip())
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(bundle) as archive:
        held = {name: archive.read(name) for name in archive.namelist()}
    assert held.keys() == {"manifest.json", "pyproject.toml", "server.py", "LICENSE", wheel.name}
    assert held[wheel.name] == wheel.read_bytes()
    manifest = json.loads(held["manifest.json"])
    assert (manifest["version"], manifest["server"]["type"]) == ("0.1.0", "uv")
    assert manifest["server"]["entry_point"] in held
    project = tomllib.loads(held["pyproject.toml"].decode())
    assert project["project"]["dependencies"] == ["ao-mcp"]
    assert project["tool"]["uv"]["sources"] == {"ao-mcp": {"path": wheel.name}}
    before = bundle.read_bytes()
    run(*pack, cwd=built)
    assert bundle.read_bytes() == before


def visitor(repository: Path) -> dict[str, str]:
    """An environment that puts the repository's own folders first on the import path."""
    bare = {"PATH": os.defpath, "HOME": str(repository), "AO_HOME": str(repository / "home")}
    return bare | {"PYTHONPATH": "."}


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["ao-mcp", "--version"], "ao-mcp 0.1.0\n"),
        (["ao", "--version"], "ao 0.1.0\n"),
        (["python", "-m", "ao_mcp", "--version"], "ao-mcp 0.1.0\n"),
    ],
    ids=["ao-mcp", "ao", "python -m ao_mcp"],
)
def test_it_starts_in_a_repository_with_folders_named_like_ours(
    installed: Path, repository: Path, argv: list[str], said: str
) -> None:
    command = [installed / argv[0], *argv[1:]]
    assert run(*command, cwd=repository, env=visitor(repository)) == said


def test_the_installed_code_is_the_wheels_and_not_this_checkouts(
    installed: Path, repository: Path
) -> None:
    code = (
        "import ao_core, ao_mcp, ao_plugins, ao_prompts as p; print(ao_core.__file__, p.__file__)"
    )
    said = run(installed / "python", "-c", code, cwd=repository, env=visitor(repository))
    assert [Path(found).is_relative_to(installed.parent) for found in said.split()] == [True, True]
