"""Plugins of the tracker slot."""
