"""A checkout that two move at once: nobody's files are left as if somebody had deleted them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ao_core.files import try_lock
from ao_core.git import forwarding
from ao_core.git.forwarding import Moved
from ao_core.git.landing import advance
from ao_core.git.repository import Git
from ao_core.process import Completed, run
from ao_core.testing.repository import Sample, sample

# as a person's `git commit` does it between git's reading of the index and its moving of the branch
_MEANWHILE = """\
#!/bin/sh
rm "$0"
unset GIT_INDEX_FILE
blob=$(echo theirs | git hash-object -w --stdin)
tree=$( (git ls-tree HEAD; printf '100644 blob %s\\ttheirs.txt\\n' "$blob") | git mktree)
git -c core.hooksPath=/dev/null update-ref refs/heads/main \
    "$(git -c user.name=A -c user.email=a@example.com commit-tree "$tree" -p HEAD -m theirs)"
echo theirs > theirs.txt
"""


class Overtaken:
    """A `Run` in which somebody commits while git moves a checkout."""

    def __init__(self, hooks: Path) -> None:
        self.hooks = hooks
        hooks.mkdir()
        (hooks / "post-index-change").write_text(_MEANWHILE)
        (hooks / "post-index-change").chmod(0o755)

    async def __call__(self, argv: Sequence[str], **options: Any) -> Completed:
        if "--ff-only" in argv:
            verb = list(argv).index("merge")
            argv = [*argv[:verb], "-c", f"core.hooksPath={self.hooks}", *argv[verb:]]
        return await run(argv, **options)


@pytest.fixture
async def checkout(tmp_path: Path) -> Sample:
    """`main` is checked out; `ours` is two files further, one of them changed."""
    made = await sample(tmp_path / "project")
    await made.commit("both.txt", "before\n")
    await made.git("checkout", "-q", "-b", "ours")
    await made.commit("ours.txt", "ours\n")
    await made.commit("both.txt", "after\n")
    await made.git("checkout", "-q", "main")
    return made


async def test_what_was_committed_while_git_moved_the_files_stays_as_it_is(
    checkout: Sample, tmp_path: Path
) -> None:
    (checkout.path / "staged.txt").write_text("not committed yet")
    await checkout.git("add", "staged.txt")
    old, new = [await checkout.git("rev-parse", name) for name in ("main", "ours")]
    move = await advance(Git(Overtaken(tmp_path / "hooks"), checkout.path), "main", new, old)
    assert move.moved is Moved.ELSEWHERE
    assert await checkout.git("log", "-1", "--format=%s") == "theirs"
    assert await checkout.git("status", "--porcelain") == "A  staged.txt"
    files = {path.name: path.read_text() for path in checkout.path.glob("*.txt")}
    expected = {"both.txt": "before\n", "theirs.txt": "theirs\n"}
    assert files == expected | {"staged.txt": "not committed yet"}


async def test_a_branch_that_cannot_be_moved_leaves_the_files_where_it_stands(
    checkout: Sample,
) -> None:
    old, new = [await checkout.git("rev-parse", name) for name in ("main", "ours")]
    (checkout.path / ".git/refs/heads/main.lock").touch()
    move = await advance(Git(run, checkout.path), "main", new, old)
    assert move.moved is Moved.HELD
    assert "main.lock" in " ".join(move.blockers)
    assert await checkout.git("status", "--porcelain") == ""
    assert not (checkout.path / "ours.txt").exists()


async def test_one_engine_at_a_time_moves_a_checkout(
    checkout: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = [await checkout.git("rev-parse", name) for name in ("main", "ours")]
    lock = try_lock(checkout.path / ".git" / forwarding.LOCK)
    assert lock
    with lock, monkeypatch.context() as patch:
        patch.setattr(forwarding, "PATIENCE", 0.1)
        move = await advance(Git(run, checkout.path), "main", new, old)
    assert move.moved is Moved.HELD
    assert "another engine" in move.blockers[0]
    assert await checkout.git("rev-parse", "main") == old
