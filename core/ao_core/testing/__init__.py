"""The contract tests that every plugin inherits."""
