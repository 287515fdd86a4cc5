"""A strict stand-in for GitLab's REST interface, version 4, whose shapes are in `things.py`.

GitLab publishes no description that a package registry has, so its shapes and operations are
written down in short (`things.py`, `operations.py`) from https://docs.gitlab.com/api/.

    @pytest.fixture
    def gitlab(tmp_path: Path) -> Generator[GitLab]:
        with hosted(tmp_path / "host") as host:
            yield host

At the end of a test all must have been in order: nothing was asked or answered that is not
described, and every arranged fault was met. A test that asks what nobody should ask says so before
with `gitlab.expect("a regular expression")`.

Where. `gitlab.api` has the interface, and git is at `gitlab.remote("acme/app")`, a token in the
address. `gitlab.token` speaks for `root`; `world.token("another", "reviewer", may_write=False)`
makes more. `acme/app` is there with one commit on `main`; both are members.

The world. `gitlab.world` is arranged by plain methods, and does what the host would do at each:
`project("acme/team/app", tier="free", merge_method="ff", pipeline_must_succeed=True, …)` (see
`Project` for the settings, which may also be changed later: `world.named("acme/app").tier = …`),
`fork`, `member`, `commit` (as if pushed), `issue`, `note`, `discussion(one, body, by, position=…)`,
`reply`, `resolve`, `relabel`, `assign`, `link`, `merge_request`, `rule`, `approve`, `unapprove`,
`review(one, "requested_changes", body, by)`, `pipeline(one, {"test": "failed"}, together=True)`,
`job(pipeline, name, status, stage=…, trace=…, allow_failure=…)`, `bridge`, `set_jobs`, `conclude`,
`commit_status`, `merge`, `rebase`, `board`, `land`, `hook(path, url, token, "note_events")`. A bot
is `world.user("name", bot=True)`. What they return are records, see `records.py`.

A merge request is being checked for the first `world.unknown_for` looks at it after either branch
moved (or being prepared, if a request has made it), and being rebased for `world.rebasing_for`
looks; with `world.merging_fails` merging ends in 422. Lists tell what they have told before until
one of the marks they look at changes, but not where they tell of labels in full. `world.now` may be
a clock of the test's own.

What goes wrong. `gitlab.faults.next(where, kind, times=…)`, where a request is named by
`"POST /projects/{id}/merge_requests"`, by its operation (`"merge_requests/create"`,
`"git-receive-pack"`) or is any (`"*"`); for the kinds see `faults.py`.

What came in. `gitlab.called("merge_requests/get")`, `gitlab.calls`, `gitlab.limit.exhaust()`,
`gitlab.deliveries` (once all are told), `gitlab.redeliver(one)`.

By hand: `cd tests && python -m standins.gitlab --port 0` prints its address and a token.
"""

from standins.gitlab.host import TOKEN, GitLab, hosted

__all__ = ["TOKEN", "GitLab", "hosted"]
