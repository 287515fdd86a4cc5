"""What runtimes share whose agents run on this machine, as this user: side commands do, too."""

from collections.abc import Mapping, Sequence

from ao_core.platform import default_env
from ao_core.plugin import ConfigT
from ao_core.process import DEFAULT_DEADLINE, OUTPUT_LIMIT, Completed
from ao_core.slots.runtime import Runtime, Where


class Here(Runtime[ConfigT]):
    """A runtime on this machine."""

    async def exec(
        self,
        where: Where,
        argv: Sequence[str],
        env: Mapping[str, str] | None = None,
        deadline: float = DEFAULT_DEADLINE,
        *,
        stdin: bytes | None = None,
        limit: int = OUTPUT_LIMIT,
        last: bool = False,
    ) -> Completed:
        """Run a side command in the workspace."""
        given = default_env(self.scope.environment) if env is None else env
        return await self.scope.run(
            argv, cwd=where.workspace, env=given, deadline=deadline, stdin=stdin, limit=limit,
            last=last,
        )  # fmt: skip
