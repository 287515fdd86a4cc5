"""What speaks to Linear: its documents, its answers, and who signs in."""
