"""Plugins of the scm slot."""
