"""What to tell people of an agent that would not be opened."""

from ao_core.drive.facts import Refused
from ao_core.drive.ledger import Ledger
from ao_core.drive.messages import LOGIN_REQUIRED
from ao_core.drive.opening import Opening
from ao_core.errors import AoError, PluginError


def unopened(fact: Refused, ledger: Ledger, opening: Opening) -> AoError | None:
    """Without a session, or in another mode than is wanted, nothing is begun."""
    if fact.method == "session/set_mode":
        return _unmoved(fact, opening)
    if fact.method not in ("initialize", "session/new"):
        return None
    if fact.code == LOGIN_REQUIRED or "auth" in fact.why.lower():
        return _login(fact, ledger)
    return PluginError(
        f"The agent refused {fact.method}: {fact.why[:300]}",
        hint="`ao read SESSION` shows what it said; `drive: terminal` may do.",
    )


def _login(fact: Refused, ledger: Ledger) -> AoError:
    ways = ", ".join(ledger.peer.logins) if ledger.peer else ""
    offers = f" It offers: {ways}." if ways else ""
    hint = f"Sign in with the agent itself, then try again.{offers}"
    return PluginError(f"The agent asks for a login: {fact.why[:200]}", hint=hint)


def _unmoved(fact: Refused, opening: Opening) -> AoError:
    return PluginError(
        f"The agent would not go into its mode {ascii(opening.mode)[:80]}: {fact.why[:200]}",
        hint="Correct `modes` in its settings, or choose other `permissions`.",
    )
