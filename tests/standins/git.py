"""One repository of the host: a real bare git repository on disk."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ZERO = "0" * 40
_PERSON = ("The host", "host@example.invalid")


_SETTINGS = """\
[http]
\treceivepack = true
[core]
\tquotePath = false
[receive]
\thideRefs = refs/pull
[gc]
\tauto = 0
"""


class GitRefused(Exception):
    """Git said no."""


@dataclass(frozen=True)
class Commit:
    """What a commit says."""

    sha: str
    tree: str
    parents: Sequence[str]
    author: str
    email: str
    at: str
    message: str


@dataclass(frozen=True)
class Changed:
    """A file that a branch changes."""

    name: str
    status: str
    sha: str
    additions: int
    deletions: int
    patch: str


class Bare:
    """Git in one folder, with no one's own settings."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / "HEAD").exists():
            folder.mkdir(parents=True)
            self.git("init", "-q", "--bare", "-b", "main")
            with (folder / "config").open("a") as config:
                config.write(_SETTINGS)

    @property
    def env(self) -> Mapping[str, str]:
        name, email = _PERSON
        return {
            "PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_AUTHOR_NAME": name, "GIT_AUTHOR_EMAIL": email,
            "GIT_COMMITTER_NAME": name, "GIT_COMMITTER_EMAIL": email,
        }  # fmt: skip

    def git(
        self, *args: str, cwd: Path | None = None, stdin: str = "", index: Path | None = None
    ) -> str:
        """One git command; what it says, or GitRefused."""
        own = {"GIT_INDEX_FILE": str(index)} if index else {}
        done = subprocess.run(
            ["git", *args], cwd=cwd or self.folder, env={**self.env, **own}, input=stdin,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise GitRefused(done.stderr)
        return done.stdout.rstrip("\n")

    # -- refs ------------------------------------------------------------------------------------

    def heads(self) -> dict[str, str]:
        """Every branch and where it is."""
        listed = self.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
        pairs = (line.split(" ") for line in listed.splitlines())
        return {ref.removeprefix("refs/heads/"): sha for ref, sha in pairs}

    def find(self, name: str) -> str | None:
        """The commit that a name stands for."""
        try:
            return self.git(
                "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"
            )
        except GitRefused:
            return None

    def point(self, ref: str, sha: str, was: str | None = None) -> None:
        """Move a ref, from where it was."""
        self.git("update-ref", ref, sha, *([was] if was else []))

    def drop(self, ref: str) -> None:
        self.git("update-ref", "-d", ref)

    def fetch(self, other: "Bare", sha: str, ref: str) -> None:
        """Bring a commit over from another repository."""
        self.git("fetch", "-q", str(other.folder), f"+{sha}:{ref}")

    # -- what lies between -----------------------------------------------------------------------

    def fork_point(self, base: str, head: str) -> str:
        try:
            return self.git("merge-base", base, head)
        except GitRefused:
            return base

    def holds(self, sha: str, ancestor: str) -> bool:
        """Whether a commit is in the history of another."""
        return self.git("rev-list", "--count", f"{sha}..{ancestor}") == "0"

    def commit(self, sha: str) -> Commit:
        shown = self.git("show", "-s", "--format=%H%x00%T%x00%P%x00%an%x00%ae%x00%aI%x00%B", sha)
        one, tree, parents, author, email, at, message = shown.split("\0")
        return Commit(one, tree, parents.split(), author, email, at, message.strip())

    def commits(self, base: str, head: str) -> list[Commit]:
        """From the oldest on."""
        listed = self.git("rev-list", "--reverse", "--topo-order", f"{base}..{head}")
        return [self.commit(sha) for sha in listed.splitlines()]

    def changed(self, base: str, head: str) -> list[Changed]:
        """The files that differ since the two went apart."""
        between = self.fork_point(base, head), head
        raw = self.git("diff", "--no-renames", "--raw", "--abbrev=40", *between).splitlines()
        counted = self.git("diff", "--no-renames", "--numstat", *between).splitlines()
        return [self._change(*pair, between) for pair in zip(raw, counted, strict=True)]

    def diff(self, base: str, head: str) -> str:
        return self.git("diff", self.fork_point(base, head), head) + "\n"

    def _change(self, raw: str, counted: str, between: tuple[str, str]) -> Changed:
        _, _, _, sha, kind = raw.split("\t")[0].split(" ")
        added, removed, name = counted.split("\t")
        patch = self.git("diff", *between, "--", name)
        status = {"A": "added", "D": "removed"}.get(kind, "modified")
        return Changed(
            name, status, sha, additions=_count(added), deletions=_count(removed),
            patch="@@" + patch.partition("\n@@")[2],
        )  # fmt: skip

    # -- joining ---------------------------------------------------------------------------------

    def joined(self, base: str, head: str) -> str | None:
        """The tree of both together; none where they are at odds."""
        try:
            return self.git("merge-tree", "--write-tree", base, head).splitlines()[0]
        except GitRefused:
            return None

    def record(self, tree: str, parents: Sequence[str], message: str) -> str:
        """A new commit."""
        given = [word for parent in parents for word in ("-p", parent)]
        return self.git("commit-tree", tree, *given, stdin=message)

    def write(
        self, ref: str, files: Mapping[str, str], message: str, parent: str | None, at: float
    ) -> str:
        """A new commit with these files over those of its parent, and a ref that points at it."""
        name, email = _PERSON
        told = [f"commit {ref}", "mark :1", f"committer {name} <{email}> {int(at)} +0000"]
        told += [_data(message), *([f"from {parent}"] if parent else [])]
        told += [f"M 100644 inline {path}\n{_data(text)}" for path, text in files.items()]
        said = "\n".join([*told, "", "get-mark :1", ""])
        return self.git("fast-import", "--quiet", "--force", stdin=said)

    def replayed(self, base: str, head: str) -> str:
        """The commits of one branch again, on top of the other."""
        with TemporaryDirectory() as own:
            place = Path(own) / "replay"
            self.git("worktree", "add", "-q", "--detach", str(place), head)
            try:
                self.git("rebase", "-q", "--force-rebase", base, cwd=place)
                return self.git("rev-parse", "HEAD", cwd=place)
            finally:
                self.git("worktree", "remove", "--force", str(place))


def _data(text: str) -> str:
    return f"data {len(text.encode())}\n{text}"


def _count(told: str) -> int:
    """Of a file that is not text, git tells no lines."""
    return 0 if told == "-" else int(told)
