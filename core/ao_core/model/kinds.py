"""What agents call their tools, and what kind of tool that is."""

from collections.abc import Mapping

# as the protocol has them
KINDS: Mapping[str, str] = {
    "bash": "execute", "shell": "execute", "run_shell_command": "execute", "run": "execute",
    "read": "read", "read_file": "read", "view": "read",
    "glob": "search", "grep": "search", "ls": "search", "list": "search",
    "edit": "edit", "write": "edit", "multiedit": "edit", "notebookedit": "edit",
    "create": "edit", "write_file": "edit", "replace": "edit",
    "webfetch": "fetch", "websearch": "fetch",
}  # fmt: skip
WITHOUT_COMMANDS = frozenset({"read", "search", "edit", "delete", "move", "fetch", "think"})


def kind_of(name: str) -> str:
    """The kind of tool that goes by this name; a name of its own is a kind of its own."""
    return KINDS.get(name.lower(), name.lower())
