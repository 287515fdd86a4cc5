"""Plugins of the workspace slot."""
