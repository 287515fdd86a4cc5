"""Built-in plugins: ao_plugins/<slot>/<name>.py, listed here so that none need be imported."""

from ao_core.index import Entry, Index

INDEX: Index = {
    "agent": {
        "aider": Entry("ao_plugins.agent.aider:Aider"),
        "amazon-q": Entry("ao_plugins.agent.amazon_q:AmazonQ"),
        "amp": Entry("ao_plugins.agent.amp:Amp"),
        "auggie": Entry("ao_plugins.agent.auggie:Auggie"),
        "claude-code": Entry("ao_plugins.agent.claude_code:ClaudeCode"),
        "cline": Entry("ao_plugins.agent.cline:Cline"),
        "codex": Entry("ao_plugins.agent.codex:Codex"),
        "command": Entry("ao_plugins.agent.command:CommandLine"),
        "continue": Entry("ao_plugins.agent.continue_cli:ContinueCli"),
        "copilot": Entry("ao_plugins.agent.copilot:Copilot"),
        "cursor": Entry("ao_plugins.agent.cursor:Cursor"),
        "gemini": Entry("ao_plugins.agent.gemini:Gemini"),
        "goose": Entry("ao_plugins.agent.goose:Goose"),
        "kiro": Entry("ao_plugins.agent.kiro:Kiro"),
        "opencode": Entry("ao_plugins.agent.opencode:OpenCode"),
        "openhands": Entry("ao_plugins.agent.openhands:OpenHands"),
        "qwen-code": Entry("ao_plugins.agent.qwen_code:QwenCode"),
        "trae": Entry("ao_plugins.agent.trae:Trae"),
    },
    "runtime": {
        "process": Entry("ao_plugins.runtime.process:Process"),
        "tmux": Entry("ao_plugins.runtime.tmux:Tmux"),
    },
    "workspace": {
        "clone": Entry("ao_plugins.workspace.clone:Clone"),
        "worktree": Entry("ao_plugins.workspace.worktree:Worktree"),
    },
    "tracker": {
        "github": Entry("ao_plugins.tracker.github:GitHubTracker"),
        "gitlab": Entry("ao_plugins.tracker.gitlab:GitLabTracker"),
        "linear": Entry("ao_plugins.tracker.linear:LinearTracker"),
        "local": Entry("ao_plugins.tracker.local:LocalTracker"),
    },
    "scm": {
        "github": Entry("ao_plugins.scm.github:GitHubScm"),
        "gitlab": Entry("ao_plugins.scm.gitlab:GitLabScm"),
        "local": Entry("ao_plugins.scm.local:LocalScm"),
    },
    "notifier": {
        "desktop": Entry("ao_plugins.notifier.desktop:Desktop"),
        "lead": Entry("ao_plugins.notifier.lead:Lead"),
        "webhook": Entry("ao_plugins.notifier.webhook:Webhook"),
    },
    "terminal": {},
}
