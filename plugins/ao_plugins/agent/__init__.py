"""Plugins of the agent slot."""
