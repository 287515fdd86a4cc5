"""Plugins of the notifier slot."""
