"""Git by argument lists, through whatever `Run` it is given, hardened against its surroundings.

The person's configuration stays in force, since filters and identities live there; what could
hang, ask, run hooks or misread is switched off for our own commands.
"""

import errno
import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from ao_core.errors import (
    AoError,
    CommandFailed,
    ConfigError,
    Conflict,
    NotInstalled,
    StoreUnavailable,
    Unknown,
    WrongState,
)
from ao_core.git.answers import Change, Changed, Commit, Registered, change, changed, registered
from ao_core.platform import is_full
from ao_core.process import DEFAULT_DEADLINE, OUTPUT_LIMIT, Completed, Run
from ao_core.redact import visible

LONG = 600.0
LISTING_LIMIT = 256 * 1024 * 1024
NOTHING = ""  # as an old value: the ref must not exist yet

_INHERITED = (
    "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_CONFIG", "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS", "GIT_DIR", "GIT_EXTERNAL_DIFF", "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_REPLACE_REF_BASE", "GIT_SHALLOW_FILE",
    "GIT_TRACE", "GIT_WORK_TREE",
)  # fmt: skip
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "commit.gpgSign=false",
    "log.showSignature=false",
    "gc.auto=0",
    "diff.autoRefreshIndex=false",  # it would hold the index's lock under whoever works there
    "advice.detachedHead=false",
)
_TRIES = 3
_CLOSED = re.compile(rb"^warning: could not open directory '(.*)':", re.MULTILINE)
_REFUSED = (
    *(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)),
    "Out of diskspace",
)
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_EDITOR": "true", "LC_ALL": "C"}


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a commit is by."""

    name: str
    email: str


FALLBACK = Identity("ao-mcp", "ao-mcp@localhost")


@dataclass(frozen=True, slots=True)
class Preflight:
    """A repository that can be worked on; `branch` is None where HEAD is detached."""

    common_dir: Path
    toplevel: Path
    head: str
    branch: str | None


@dataclass(frozen=True, slots=True)
class Git:
    """Git in one folder. `env` and `settings` are added to every command."""

    run: Run
    path: Path
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    settings: tuple[str, ...] = ()

    async def call(
        self, *args: str, stdin: bytes | None = None, ok: Collection[int] = (0,),
        deadline: float = DEFAULT_DEADLINE, limit: int = LISTING_LIMIT, into: Path | None = None,
    ) -> Completed:  # fmt: skip
        """Run one git command; any other status than `ok`, and a cut answer, is an error.

        `into` is where it writes, if that may be on another disk.
        """
        done = await self.attempt(*args, stdin=stdin, deadline=deadline, limit=limit)
        if done.status not in ok:
            raise _failure(done, args[0], self.path, into)
        if done.truncated and limit == LISTING_LIMIT:
            raise CommandFailed(f"git {args[0]} said more than could be read")
        return done

    async def attempt(
        self, *args: str, stdin: bytes | None = None,
        deadline: float = DEFAULT_DEADLINE, limit: int = OUTPUT_LIMIT,
    ) -> Completed:  # fmt: skip
        """Run one git command, however it ends; once more where it tripped over another git."""
        done, tries = await self._once(args, stdin, deadline, limit), 1
        while _tripped(done) and tries < _TRIES:
            done, tries = await self._once(args, stdin, deadline, limit), tries + 1
        if done.status == 127:
            raise NotInstalled("git is not installed", hint="Install git 2.38 or later.")
        return replace(done, argv0="git")

    async def _once(
        self, args: tuple[str, ...], stdin: bytes | None, deadline: float, limit: int
    ) -> Completed:
        argv = self._argv(args)
        return await self.run(argv, cwd=None, deadline=deadline, stdin=stdin, limit=limit)

    async def line(self, *args: str) -> str:
        """The one line a command prints."""
        return os.fsdecode((await self.call(*args)).stdout).removesuffix("\n")

    async def fields(self, *args: str, deadline: float = DEFAULT_DEADLINE) -> list[str]:
        """The NUL-separated fields a command prints; names that are no text survive."""
        output = (await self.call(*args, deadline=deadline)).stdout
        return [os.fsdecode(part) for part in output.split(b"\0") if part]

    async def says_yes(self, *args: str) -> bool:
        """Whether a command that answers by its status says yes."""
        return (await self.call(*args, ok=(0, 1))).status == 0

    async def version(self) -> tuple[int, int]:
        """Git's version, the first two numbers."""
        found = re.search(r"(\d+)\.(\d+)", await self.line("version"))
        return (int(found[1]), int(found[2])) if found else (0, 0)

    async def toplevel(self) -> Path:
        """The top folder of this work tree."""
        return Path(await self.line("rev-parse", "--show-toplevel"))

    async def common_dir(self) -> Path:
        """What all work trees of the repository share; it is the project's identity."""
        return Path(await self._absolute("--git-common-dir"))

    async def git_dir(self) -> Path:
        """What this work tree has for itself."""
        return Path(await self._absolute("--absolute-git-dir"))

    async def head(self) -> str | None:
        """The commit checked out, or None before the first."""
        return await self.resolve("HEAD")

    async def current_branch(self) -> str | None:
        """The branch checked out, or None where HEAD is detached."""
        done = await self.call("symbolic-ref", "--quiet", "--short", "HEAD", ok=(0, 1))
        return os.fsdecode(done.stdout).strip() or None

    async def resolve(self, ref: str) -> str | None:
        """The commit a name stands for, or None."""
        name = f"{ref}^{{commit}}"
        done = await self.call(
            "rev-parse", "--verify", "--quiet", "--end-of-options", name, ok=(0, 1, 128)
        )
        return done.text.strip() if done.status == 0 else None

    async def branch_tip(self, branch: str) -> str | None:
        """The commit of a local branch, or None."""
        return await self.resolve(f"refs/heads/{branch}")

    async def is_ancestor(self, commit: str, of: str) -> bool:
        """Whether `commit` is contained in `of`."""
        return await self.says_yes("merge-base", "--is-ancestor", commit, of)

    async def merge_base(self, one: str, other: str) -> str | None:
        """Where two histories parted, or None."""
        done = await self.call("merge-base", one, other, ok=(0, 1))
        return done.text.strip() or None

    async def worktrees(self) -> tuple[Registered, ...]:
        """Every work tree git knows of, the main one first."""
        output = os.fsdecode((await self.call("worktree", "list", "--porcelain", "-z")).stdout)
        return tuple(registered(block) for block in output.split("\0\0") if block.strip("\0"))

    async def checked_out_at(self, branch: str) -> Registered | None:
        """The work tree that holds a branch."""
        for tree in await self.worktrees():
            if tree.branch == branch:
                return tree
        return None

    async def default_branch(self) -> str | None:
        """The branch work most likely starts from: the remote's, main, master, the current one."""
        done = await self.call(
            "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD", ok=(0, 1)
        )
        guesses = [done.text.strip().removeprefix("origin/"), "main", "master"]
        for guess in filter(None, guesses):
            if await self.branch_tip(guess):
                return guess
        return await self.current_branch()

    async def status(self, *, whole: bool = False) -> tuple[Change, ...]:
        """Everything that differs from the commit, whatever the configuration hides.

        `whole`: what cannot be looked into is an error; git takes it for empty.
        """
        args = ("--porcelain=v2", "-z", "--untracked-files=all", "--ignore-submodules=none")
        output = await self.call("status", *args, "--no-renames", deadline=LONG)
        if whole and (closed := _CLOSED.search(output.stderr)):
            where = visible(closed[1].decode(errors="replace"), 200)
            hint = "Make it readable (`chmod -R u+rX`), or remove it."
            raise CommandFailed(f"git cannot look into {where} in {self.path}", hint=hint)
        return tuple(change(os.fsdecode(line)) for line in output.stdout.split(b"\0") if line)

    async def diff(self, base: str, head: str | None = None, limit: int = 200_000) -> str:
        """The text between two commits, or a commit and the files here; at most `limit` bytes."""
        ends = (base, head) if head else (base,)
        how = ("--no-ext-diff", "--no-textconv", "--no-color", "--end-of-options")
        done = await self.call("diff", *how, *ends, "--", limit=limit)
        return done.stdout[:limit].decode(errors="replace")

    async def numstat(self, base: str, head: str) -> tuple[Changed, ...]:
        """Which files differ between two commits, and by how many lines."""
        how = ("--numstat", "-z", "--no-renames", "--no-ext-diff", "--no-textconv")
        done = await self.call("diff", *how, "--end-of-options", base, head, "--")
        return tuple(changed(os.fsdecode(one)) for one in done.stdout.split(b"\0") if one)

    async def log(self, base: str, head: str, limit: int = 1000) -> tuple[Commit, ...]:
        """The commits of `head` that `base` does not have, newest first."""
        how = ("-z", f"--max-count={limit}", "--format=%H%x1f%an%x1f%ct%x1f%s")
        lines = await self.fields("log", *how, "--end-of-options", f"{base}..{head}", "--")
        return tuple(
            Commit(*(parts[0], parts[1], int(parts[2]), parts[3]))
            for parts in (line.split("\x1f", 3) for line in lines)
        )

    async def check_out(self) -> None:
        """Write every file of the commit, as `git worktree add` does in the end."""
        how = ("--hard", "--no-recurse-submodules", "--quiet")
        await self.call("reset", *how, deadline=LONG)

    async def update_ref(self, ref: str, new: str, old: str) -> None:
        """Move a ref from exactly `old` (`NOTHING`: create it), or raise `Conflict`."""
        done = await self.attempt("update-ref", "--no-deref", ref, new, old)
        if done.status != 0:
            raise Conflict(f"{ref} is no longer where it was") from _failure(
                done, "update-ref", self.path
            )

    async def drop_branch(self, branch: str, at: str) -> None:
        """Delete a branch that nothing was done on; one that has moved from `at` stays."""
        await self.attempt("update-ref", "--no-deref", "-d", f"refs/heads/{branch}", at)

    async def identity(self) -> Identity:
        """Who commits here, or a name of our own where nobody is configured."""
        name = await self.call("config", "--get", "user.name", ok=(0, 1))
        email = await self.call("config", "--get", "user.email", ok=(0, 1))
        if not (name.text.strip() and email.text.strip()):
            return FALLBACK
        return Identity(name.text.strip(), email.text.strip())

    def signed(self, who: Identity) -> "Git":
        """The same, committing as `who`."""
        names = {"GIT_AUTHOR_NAME": who.name, "GIT_COMMITTER_NAME": who.name}
        mails = {"GIT_AUTHOR_EMAIL": who.email, "GIT_COMMITTER_EMAIL": who.email}
        return replace(self, env={**self.env, **names, **mails})

    async def commit_tree(self, tree: str, parents: Collection[str], message: str) -> str:
        """Make a commit of a tree; nothing points to it yet."""
        named = [part for parent in parents for part in ("-p", parent)]
        done = await self.call("commit-tree", tree, *named, "-F", "-", stdin=message.encode())
        return done.text.strip()

    async def preflight(self) -> Preflight:
        """See that the folder can be worked in, and what it is."""
        head, branch = await self.usable()
        return Preflight(await self.common_dir(), await self.toplevel(), head, branch)

    async def usable(self) -> tuple[str, str | None]:
        """The commit and branch of a repository that has files and a commit; else it is said."""
        if not await anyio.Path(self.path).is_dir():
            hint = "Give the folder of a git repository."
            raise Unknown(f"{self.path} is not a folder", hint=hint)
        asked = ("--is-inside-work-tree", "HEAD^{commit}", "--symbolic-full-name", "HEAD")
        done = await self.attempt("rev-parse", *asked)
        inside, *rest = done.text.splitlines() or [""]
        if not inside:
            raise _failure(done, "rev-parse", self.path)
        if inside != "true":
            hint = "Use a clone with files in it: `git clone <this> <folder>`."
            message = f"{self.path} is a bare repository, or inside git's own folder"
            raise ConfigError(message, hint=hint)
        if done.status != 0:
            hint = "Make a first commit: `git commit --allow-empty -m start`."
            raise WrongState(f"{self.path} is on a branch that has no commit yet", hint=hint)
        head, ref = rest
        return head, ref.removeprefix("refs/heads/") if ref != "HEAD" else None

    async def _absolute(self, what: str) -> str:
        return await self.line("rev-parse", "--path-format=absolute", what)

    def _argv(self, args: tuple[str, ...]) -> list[str]:
        # `env` on the line, since `run` may lead to another machine whose environment is unknown
        forget = [part for name in _INHERITED if name not in self.env for part in ("-u", name)]
        given = [f"{name}={value}" for name, value in {**_ENVIRONMENT, **self.env}.items()]
        settings = [part for item in (*_SETTINGS, *self.settings) for part in ("-c", item)]
        start = ["git", "--no-pager", "--no-optional-locks", "-C", str(self.path)]
        return ["env", *forget, *given, *start, *settings, *args]


def _tripped(done: Completed) -> bool:
    """Whether git met a work tree that another git is just registering. Nothing was done then."""
    return done.status == 128 and b"failed to read" in done.stderr and b"commondir" in done.stderr


def _no_room(failed: CommandFailed) -> StoreUnavailable:
    hint = "Free some space on the disks of the repository and of the home, then try again."
    return StoreUnavailable(f"the disk is full; {failed.message}", hint=hint)


def _failure(done: Completed, verb: str, path: Path, into: Path | None = None) -> AoError:
    complaint = done.stderr.decode(errors="replace")
    if "not a git repository" in complaint:
        hint = "Run `git init` and make a first commit, or choose another folder."
        return ConfigError(f"{path} is not a git repository", hint=hint)
    if "dubious ownership" in complaint:
        hint = "If it is yours: `git config --global --add safe.directory <folder>`."
        return ConfigError(f"{path} belongs to another user, so git refuses it", hint=hint)
    try:
        done.check(f"git {verb}")
    except CommandFailed as failed:
        # git does not always say why it could not write
        full = any(reason in complaint for reason in _REFUSED)
        full = full or is_full(path) or (into is not None and is_full(into))
        return _no_room(failed) if full else failed
    return CommandFailed(f"git {verb} gave an unexpected answer", status=done.status)
