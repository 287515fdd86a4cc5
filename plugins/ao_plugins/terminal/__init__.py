"""Plugins of the terminal slot."""
