"""Links, copies and ports: what is put into a workspace before anybody works there."""

import socket
from pathlib import Path

import pytest

from ao_core.engine import ports, sharing
from ao_core.engine.preparing import emptied
from ao_core.engine.sharing import include, link
from ao_core.errors import ConfigError, WrongState
from ao_core.git.repository import Git
from ao_core.process import run
from ao_core.testing.repository import Sample, sample


@pytest.fixture
async def main(tmp_path: Path) -> Sample:
    """A main checkout with one file that git tracks, and some that it does not."""
    made = await sample(tmp_path / "main")
    await made.commit(".gitignore", ".env*\n/build/\nnode_modules/\n")
    (made.path / ".env").write_text("KEY=1\n")
    (made.path / "node_modules").mkdir()
    (made.path / "node_modules" / "one.js").write_text("1")
    return made


@pytest.fixture
async def work(main: Sample, tmp_path: Path) -> Sample:
    """A work tree of it."""
    path = tmp_path / "home" / "app-1"
    await main.git("worktree", "add", "-q", "-b", "work", str(path))
    return main.at(path)


def git(at: Sample) -> Git:
    return Git(run, at.path)


async def linked(work: Sample, main: Sample, *names: str, again: bool = False) -> str:
    """Link them; returns what git shows of it."""
    await link(git(work), main.path, names, again=again)
    return await work.git("status", "--porcelain", "--untracked-files=all")


async def included(work: Sample, main: Sample, patterns: str) -> str:
    """Copy what the patterns name; returns what git shows of it."""
    (main.path / ".worktreeinclude").write_text(patterns)
    await include(git(work), git(main))
    return await work.git("status", "--porcelain", "--untracked-files=all")


# -- links -----------------------------------------------------------------------------------------


async def test_files_and_folders_are_linked_and_git_does_not_see_it(
    work: Sample, main: Sample
) -> None:
    (main.path / "[odd] *name ").write_text("odd")
    assert await linked(work, main, ".env", "node_modules/", "[odd] *name ") == ""
    assert (work.path / ".env").readlink() == main.path / ".env"
    assert (work.path / "node_modules" / "one.js").read_text() == "1"
    assert (work.path / "[odd] *name ").read_text() == "odd"


async def test_linking_again_adds_what_is_missing_and_nothing_else(
    work: Sample, main: Sample
) -> None:
    await linked(work, main, "node_modules")
    exclude = main.path / ".git" / "info" / "exclude"
    before = exclude.read_text()
    assert "/node_modules\n" in before
    assert await linked(work, main, "node_modules", ".env") == ""
    assert exclude.read_text() == before
    assert (work.path / ".env").is_symlink()


async def test_a_link_in_a_folder_has_its_folder_made(work: Sample, main: Sample) -> None:
    (main.path / "build" / "deep").mkdir(parents=True)
    (main.path / "build" / "deep" / "cache").write_text("c")
    await linked(work, main, "build/deep/cache")
    assert (work.path / "build" / "deep" / "cache").read_text() == "c"
    assert not (work.path / "build" / "deep").is_symlink()


async def test_what_is_not_in_the_main_checkout_is_passed_over(work: Sample, main: Sample) -> None:
    assert await linked(work, main, "nowhere") == ""
    assert not (work.path / "nowhere").is_symlink()


async def test_what_git_tracks_is_never_linked_over(work: Sample, main: Sample) -> None:
    (work.path / "README.md").unlink()
    with pytest.raises(ConfigError, match="git tracks it"):
        await linked(work, main, "README.md")
    assert not (work.path / "README.md").exists()
    assert await linked(work, main, "README.md", again=True) == "D README.md"


async def test_what_the_worker_has_there_stays_its_own(work: Sample, main: Sample) -> None:
    (work.path / ".env").write_text("MINE=1\n")
    await linked(work, main, ".env", again=True)
    assert (work.path / ".env").read_text() == "MINE=1\n"


@pytest.mark.parametrize("name", ["out", "dir/out", ".git/hooks", ".ao", "home"])
async def test_nothing_outside_nor_gits_own_is_linked(
    work: Sample, main: Sample, tmp_path: Path, name: str
) -> None:
    (tmp_path / "secret").write_text("s")
    (main.path / "out").symlink_to(tmp_path / "secret")
    (main.path / "dir").symlink_to(tmp_path)
    (main.path / "home").symlink_to(tmp_path / "home")
    (tmp_path / "out").write_text("s")
    (main.path / ".ao").mkdir()
    with pytest.raises(ConfigError, match="cannot be had in a workspace"):
        await linked(work, main, name)
    assert not (work.path / name).is_symlink()


async def test_a_folder_that_holds_the_workspaces_is_not_linked(main: Sample) -> None:
    inside = main.path / "build" / "app-2"
    await main.git("worktree", "add", "-q", "-b", "inside", str(inside))
    with pytest.raises(ConfigError, match="the workspaces lie in it"):
        await linked(main.at(inside), main, "build")


async def test_nothing_is_put_behind_a_link_in_the_work(
    work: Sample, main: Sample, tmp_path: Path
) -> None:
    (main.path / "build").mkdir()
    (main.path / "build" / "cache").write_text("c")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (work.path / "build").symlink_to(elsewhere)
    with pytest.raises(ConfigError, match="is a link"):
        await linked(work, main, "build/cache")
    await included(work, main, "cache\n")
    assert list(elsewhere.iterdir()) == []


# -- copies ----------------------------------------------------------------------------------------


async def test_ignored_files_that_are_named_are_copied_with_their_modes(
    work: Sample, main: Sample
) -> None:
    (main.path / ".env").chmod(0o600)
    (main.path / ".env.test").write_text("T=1\n")
    (main.path / "build").mkdir()
    (main.path / "build" / "tool").write_text("#!/bin/sh\n")
    (main.path / "build" / "tool").chmod(0o755)
    (main.path / "untracked.txt").write_text("not ignored")
    shown = await included(work, main, ".env*\n!.env.test\nbuild/tool\n*.txt\nREADME.md\n")
    assert shown == ""
    assert (work.path / ".env").read_text() == "KEY=1\n"
    modes = [(work.path / name).stat().st_mode & 0o777 for name in (".env", "build/tool")]
    assert modes == [0o600, 0o755]
    assert not (work.path / ".env.test").exists()
    assert not (work.path / "untracked.txt").exists()
    assert not (work.path / ".env").is_symlink()


async def test_without_a_list_nothing_is_copied(work: Sample, main: Sample) -> None:
    await include(git(work), git(main))
    assert not (work.path / ".env").exists()


async def test_only_the_main_checkouts_list_counts(work: Sample, main: Sample) -> None:
    (work.path / ".worktreeinclude").write_text(".env\n")
    await include(git(work), git(main))
    assert not (work.path / ".env").exists()


async def test_a_copy_never_replaces_what_is_there(work: Sample, main: Sample) -> None:
    (work.path / ".env").write_text("MINE=1\n")
    await included(work, main, ".env\n")
    assert (work.path / ".env").read_text() == "MINE=1\n"


async def test_a_copy_that_the_works_own_rules_would_show_is_hidden(
    work: Sample, main: Sample
) -> None:
    await work.commit(".gitignore", "# nothing\n")
    assert await included(work, main, ".env\n") == ""
    assert (work.path / ".env").exists()


async def test_links_are_not_followed_out_of_the_main_checkout(
    work: Sample, main: Sample, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s")
    (main.path / ".env.out").symlink_to(tmp_path / "secret")
    (main.path / ".env.in").symlink_to(".env")
    await included(work, main, ".env*\n")
    assert not (work.path / ".env.out").is_symlink()
    assert not (work.path / ".env.out").exists()
    assert (work.path / ".env.in").read_text() == "KEY=1\n"


@pytest.mark.parametrize(("most", "value"), [("MOST_FILES", 1), ("MOST_BYTES", 6)])
async def test_too_much_is_refused_before_anything_is_copied(
    work: Sample, main: Sample, monkeypatch: pytest.MonkeyPatch, most: str, value: int
) -> None:
    monkeypatch.setattr(sharing, most, value)
    (main.path / ".env.more").write_text("M=1\n")
    with pytest.raises(ConfigError, match="matches 2 files of 10 bytes"):
        await included(work, main, ".env*\n")
    assert not (work.path / ".env").exists()


async def test_a_list_that_is_a_link_or_huge_is_refused(work: Sample, main: Sample) -> None:
    listed = main.path / ".worktreeinclude"
    listed.symlink_to(main.path / ".gitignore")
    with pytest.raises(ConfigError, match="not a plain file"):
        await include(git(work), git(main))
    listed.unlink()
    listed.write_text("# nothing\n" * 10_000)
    with pytest.raises(ConfigError, match="larger than"):
        await include(git(work), git(main))


async def test_our_own_folder_is_not_reached_through_a_link(
    work: Sample, main: Sample, tmp_path: Path
) -> None:
    (work.path / ".ao").symlink_to(tmp_path)
    with pytest.raises(WrongState, match="is a link"):
        await included(work, main, ".env\n")


async def test_a_workspace_nobody_worked_in_can_be_emptied(work: Sample, main: Sample) -> None:
    await linked(work, main, "node_modules")
    await included(work, main, ".env\n")
    (work.path / "README.md").write_text("generated")
    (work.path / "made").mkdir()
    (work.path / "made" / "file").touch()
    await emptied(git(work))
    assert await work.git("status", "--porcelain", "--ignored") == ""
    assert (main.path / "node_modules" / "one.js").exists()


async def test_emptying_spares_the_repository_around_a_folder_that_is_none(main: Sample) -> None:
    inside = main.path / "home" / "app-1"
    inside.mkdir(parents=True)
    (main.path / "README.md").write_text("not committed\n")
    with pytest.raises(WrongState):
        await emptied(git(main.at(inside)))
    assert (main.path / "README.md").read_text() == "not committed\n"


# -- ports -----------------------------------------------------------------------------------------


def free_block(start: int, count: int, taken: set[int]) -> tuple[int, ...]:
    return ports._free_block(start, count, taken)  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_a_port_that_somebody_listens_on_is_not_given_away(host: str) -> None:
    first = free_block(24_000, 3, set())
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as server:
        try:
            server.bind((host, first[1]))
        except OSError:
            pytest.skip("there is no such address here")
        server.listen()
        assert free_block(first[0], 3, set())[0] > first[1]


def test_ports_of_others_are_passed_over_and_the_end_leads_to_the_beginning() -> None:
    first = free_block(24_000, 2, set())
    assert set(first).isdisjoint(free_block(first[0], 2, set(first)))
    around = free_block(ports.LAST, 2, set())
    assert ports.FIRST <= around[0] < ports.LAST - 1


def test_it_is_said_when_there_are_no_more_ports() -> None:
    with pytest.raises(WrongState, match="no 2 free ports in a row"):
        free_block(ports.FIRST, 2, set(range(ports.FIRST, ports.LAST + 1, 2)))
