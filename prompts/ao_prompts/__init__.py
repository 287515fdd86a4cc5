"""The prompt templates, as package data."""
