"""A strict stand-in for GitHub, driven by the descriptions that GitHub publishes (`make specs`).

    @pytest.fixture
    def github(tmp_path: Path) -> Generator[GitHub]:
        with hosted(tmp_path / "host") as host:  # skipped, where the descriptions are not here
            yield host

At the end of a test all must have been in order: nothing was asked or answered that is not
described, and every arranged fault was met. A test that asks what nobody should ask says so before
with `github.expect("a regular expression")`.

Where. `github.url` has REST at `/`, GraphQL at `/graphql`, both again as an enterprise server has
them (`/api/v3`, `/api/graphql`), and git at `github.remote("acme/app")`, a token in the address.
`github.token` speaks for `octocat`; `world.token("another", "hubot", may_write=False)` makes more.
`acme/app` is there with one commit on `main`.

The world. `github.world` is arranged by plain methods, and does what the host would do at each:
`repository`, `fork`, `commit` (a commit as if pushed), `protect(…, reviews=1, checks=["ci"],
up_to_date=True, conversations=True, queue=True)`, `issue`, `comment`, `close`, `relabel`,
`assign`, `pull`, `ready`, `merge`, `land` (of a merge queue), `review`, `thread`, `reply`,
`resolve`, `check_run`, `conclude`, `status`, `job(…, log=…)`, `hook(url, secret, *events)`. What
they return are records, see `records.py`. Whether a pull request can be merged is not known to the
first `world.unknown_for` requests after either branch moved. `world.now` may be a clock of the
test's own.

What goes wrong. `github.faults.next(where, kind, times=…)`, where a request is named by
`"POST /repos/{owner}/{repo}/pulls"`, by its operation (`"pulls/create"`, `"graphql"`,
`"git-receive-pack"`) or is any (`"*"`); for the kinds see `faults.py`.

What came in. `github.called("pulls/get")`, `github.calls`, `github.cost("core" or "graphql")`,
`github.limits.core.exhaust()`, `github.deliveries` (once all are told), `github.redeliver(one)`.

By hand: `cd tests && python -m standins.github --port 0` prints its address and a token.
"""

from standins.github.host import NEEDED, TOKEN, GitHub, hosted

__all__ = ["NEEDED", "TOKEN", "GitHub", "hosted"]
