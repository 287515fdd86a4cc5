"""The operations as commands."""
