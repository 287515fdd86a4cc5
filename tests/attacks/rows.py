"""What is tried: one row each of the table in docs/security.md."""

from collections.abc import Callable
from dataclasses import dataclass

from attacks import at_engine, at_files, at_terminals
from attacks.scene import Scene

STOPPED, CONTAINER = "stopped", "needs a container runtime"


@dataclass(frozen=True, slots=True)
class Attack:
    """One thing to try. `run` says whether it got through."""

    name: str
    tried: str
    run: Callable[[Scene], bool]

    def __str__(self) -> str:
        return self.name

    def outcome(self, scene: Scene) -> str:
        """As the table has it."""
        return CONTAINER if self.run(scene) else STOPPED


ATTACKS = (
    Attack(
        "answer itself", "`ao answer` on its own request, with its own environment",
        at_engine.own_request("own"),
    ),
    Attack(
        "answer itself as a person", "the same with `env -u AO_TOKEN`",
        at_engine.own_request("tokenless"),
    ),
    Attack(
        "answer itself with no environment", "the same with `env -i` and no more than the home",
        at_engine.own_request("bare"),
    ),
    Attack(
        "answer itself as an orphan",
        "the same from a process that has left parents, session and environment behind",
        at_engine.own_request("bare", left=True),
    ),
    Attack(
        "answer a sibling", "`env -u AO_TOKEN ao answer` on another worker's request",
        at_engine.siblings_request,
    ),
    Attack(
        "answer from a gate",
        "a test that it wrote, and that the engine runs as a gate, answers another's request",
        at_engine.from_a_gate,
    ),
    Attack("no token", "the socket, as a worker without a token", at_engine.with_token("")),
    Attack("made-up token", "the socket, with 64 digits", at_engine.with_token("0" * 64)),
    Attack(
        "own token, a lead's verb", "the socket, with its own token: `answer`, `send`, `kill`",
        at_engine.leads_verbs,
    ),
    Attack(
        "another role", "the socket, with its own token, as `person`, `lead`, `engine`",
        at_engine.other_roles,
    ),
    Attack(
        "lead by MCP", "`ao-mcp` without `--worker`: `initialize`, `tools/call`", at_engine.by_mcp
    ),
    Attack(
        "message as the lead", "`message` to another with a first line that names the lead",
        at_engine.as_the_lead,
    ),
    Attack(
        "a sibling's token", "another's token, from its own process tree: `report`",
        at_engine.siblings_token(),
    ),
    Attack(
        "a sibling's token as an orphan", "the same from a process that left its family behind",
        at_engine.siblings_token(left=True),
    ),
    Attack(
        "read a sibling's environment", "`/proc/PID/environ` of another, which has its token",
        at_files.siblings_environment,
    ),
    Attack(
        "read the engine's environment",
        "`/proc/PID/environ` of the engine, for secrets of whoever started it",
        at_files.engines_environment,
    ),
    Attack("read the home's key", "`home.json`, from which tokens are made", at_files.homes_key),
    Attack("read the HTTP token", "`ao token`", at_files.http_token),
    Attack(
        "press its own dialog's key", "`tmux send-keys` to its own terminal, from the background",
        at_terminals.own_dialog,
    ),
    Attack(
        "type to a sibling", "`tmux send-keys` to another's terminal", at_terminals.to_a_sibling
    ),
    Attack(
        "a hook's word: permission ended",
        "an event in its own spool that says that its own request is over",
        at_files.own_word,
    ),
    Attack(
        "a hook's word about a sibling",
        "events in its own spool that name another's request",
        at_files.word_of_another,
    ),
    Attack(
        "a hook's word in a sibling's spool", "a report, left in another's spool folder",
        at_files.word_for_another,
    ),
    Attack(
        "a spool full of rubbish",
        "its own spool with thousands of files, too large ones, links, pipes and folders",
        at_files.rubbish,
    ),
    Attack("write to a sibling's tree", "a file in another's work tree", at_files.siblings_tree),
    Attack("write to the store", "the file with records and journal, for writing", at_files.store),
    Attack("move the target branch", "`git update-ref` in the shared repository", at_files.target),
    Attack(
        "a git hook for the engine", "hooks in the shared repository, then a worker is spawned",
        at_files.git_hook,
    ),
    Attack("kill the engine", "`kill -9`; the next call starts another", at_terminals.kill_engine),
    Attack("kill the terminals", "`tmux kill-server`", at_terminals.kill_terminals),
)  # fmt: skip
