"""A small strict stand-in for Composio, held against the description that Composio publishes.

    with Composio({"linear": linear_relayed}) as composio:
        ...

It knows two routes: which accounts are connected, and a request in the name of one of them. Each
toolkit is a `Toolkit`: where its requests may go, and who answers them there.
"""

from standins.composio.host import KEY, NEEDED, Account, Composio, Toolkit

__all__ = ["KEY", "NEEDED", "Account", "Composio", "Toolkit"]
