"""Plugins of the runtime slot."""
