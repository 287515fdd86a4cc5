"""A strict stand-in for Linear, driven by the schema that Linear publishes.

    with hosted() as linear:  # skipped, where the schema is not here
        ...

At the end all must have been in order: nothing was asked that the schema does not know, no
document costs more than Linear allows, and every arranged fault was met. A test that asks what
nobody should ask says so before with `linear.expect("a regular expression")`.

`linear.url` has the interface at `/graphql`. `KEY` is a personal key and `OAUTH` the token of an
app; both speak for `lead`. There is one team, `ENG`, whose states have every type.

`linear.world` is arranged by plain methods: `user`, `team`, `label`, `issue`, `comment`, `attach`,
`relate`, `token`. `linear.faults.next(field, kind)` makes the next request go wrong that asks for
this field first; `linear.calls`, `linear.called("issueCreate")` and `linear.limits` tell what came
in. `linear.api.answered(request)` is for who relays to it without a connection.
"""

from standins.linear.host import KEY, NEEDED, OAUTH, Linear, described, hosted

__all__ = ["KEY", "NEEDED", "OAUTH", "Linear", "described", "hosted"]
