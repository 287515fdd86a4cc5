"""Looks, once the lead is done, whether all of it is true: at git and files, not at the engine."""

from collections.abc import Sequence

from ao_mcp.demo.lead import Lead
from ao_mcp.demo.sample import ISSUES, TAG, TESTED
from ao_mcp.demo.stage import Stage, Unexpected


async def check(stage: Stage, lead: Lead) -> Sequence[str]:
    """What was found to be so; raises what is not."""
    return (
        await _merged(stage, lead),
        await _whole(stage),
        await _tested(stage),
        await _saved(stage, lead),
        await _tagged(stage),
    )


async def _merged(stage: Stage, lead: Lead) -> str:
    on_main = (await stage.git("rev-list", "--first-parent", "main")).decode().split()
    missing = set(lead.commits) - set(on_main)
    _must(not missing and len(lead.commits) == len(ISSUES), f"not on main: {sorted(missing)}")
    _must(lead.conflicts == 1, "the two that change one file were not in conflict")
    count = len(lead.commits)
    return f"all {count} merges are on main; the one conflict was seen before it was met"


async def _whole(stage: Stage) -> str:
    wanted = {name: text.encode() for issue in ISSUES for name, text in issue.files.items()}
    for name, content in wanted.items():
        _must(await stage.git("show", f"main:{name}") == content, f"{name} on main is another one")
        _must((stage.repository / name).read_bytes() == content, f"{name} is not checked out")
    _must(await stage.git("status", "--porcelain") == b"", "the checkout of main is not clean")
    return f"{len(wanted)} files on main are, byte for byte, what the workers wrote"


async def _tested(stage: Stage) -> str:
    await stage.run(*TESTED)
    said = await stage.run("python3", "-m", "larder", "heaviest")
    _must(said.strip() == b"rice", "a merged command says something else")
    return "the merged project passes its own tests, and its new commands run"


async def _saved(stage: Stage, lead: Lead) -> str:
    size = 0
    for salvage in lead.salvages:
        for name, content in salvage.files.items():
            kept = await stage.git("cat-file", "blob", f"{salvage.ref}:{name}")
            _must(kept == content, f"{name} was not saved as it was")
            size += len(content)
    _must(len(lead.salvages) == 1, "nobody was killed")
    return f"the killed worker's {size} uncommitted bytes are all in {lead.salvages[0].ref}"


async def _tagged(stage: Stage) -> str:
    await stage.git("merge-base", "--is-ancestor", TAG, "main")
    return f"the command that had to be allowed was run: tag {TAG} is there"


def _must(true: bool, otherwise: str) -> None:
    if not true:
        raise Unexpected(f"It did not come out as expected: {otherwise}.")
