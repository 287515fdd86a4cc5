"""Built-in plugins: ao_plugins/<slot>/<name>.py, listed here so that none need be imported."""

from ao_core.index import Entry, Index

INDEX: Index = {
    "agent": {"command": Entry("ao_plugins.agent.command:CommandLine")},
    "runtime": {
        "process": Entry("ao_plugins.runtime.process:Process"),
        "tmux": Entry("ao_plugins.runtime.tmux:Tmux"),
    },
    "workspace": {
        "clone": Entry("ao_plugins.workspace.clone:Clone"),
        "worktree": Entry("ao_plugins.workspace.worktree:Worktree"),
    },
    "tracker": {"local": Entry("ao_plugins.tracker.local:LocalTracker")},
    "scm": {"local": Entry("ao_plugins.scm.local:LocalScm")},
    "notifier": {
        "desktop": Entry("ao_plugins.notifier.desktop:Desktop"),
        "lead": Entry("ao_plugins.notifier.lead:Lead"),
        "webhook": Entry("ao_plugins.notifier.webhook:Webhook"),
    },
    "terminal": {},
}
