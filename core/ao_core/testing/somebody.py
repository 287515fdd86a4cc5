"""What somebody has whose agents are run: a home with settings, and a repository."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from ao_core.git.repository import Git
from ao_core.process import run

_SETTINGS = (
    ".aider.conf.yml", ".augment/settings.json", ".aws/amazonq/mcp.json", ".claude.json",
    ".claude/settings.json", ".codex/config.toml", ".config/amp/settings.json",
    ".config/goose/config.yaml", ".config/opencode/opencode.json", ".continue/config.yaml",
    ".copilot/config.json", ".cursor/cli-config.json", ".cursor/mcp.json", ".gemini/settings.json",
    ".gemini/trustedFolders.json", ".kiro/settings/mcp.json", ".openhands/agent_settings.json",
    ".qwen/settings.json", ".bashrc", ".gitconfig",
)  # fmt: skip


def somebodys_home(folder: Path) -> Path:
    """A home in which every agent has settings."""
    for name in _SETTINGS:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("{}\n" if file.suffix == ".json" else "")
    return folder


def contents(folder: Path) -> Mapping[str, str]:
    """The hash of every file in it, by path; of links where they lead."""
    return {
        str(path.relative_to(folder)): _mark(path)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def _mark(path: Path) -> str:
    if path.is_symlink():
        return f"-> {path.readlink()}"
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def a_repository(folder: Path) -> Git:
    """One with instructions for agents that git has."""
    git = Git(run, folder)
    await git.line("init", "--quiet", "--initial-branch=main")
    for name in ("AGENTS.md", "CLAUDE.md", "GEMINI.md"):
        (folder / name).write_text("Use tabs.\n")
    await git.line("add", "--all")
    who = ("-c", "user.name=dev", "-c", "user.email=dev@example.com")
    await git.line(*who, "commit", "--quiet", "--message=begin")
    return git
