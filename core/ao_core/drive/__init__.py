"""Agents driven by protocol: what the lines say, and what it amounts to. Nothing here acts."""
