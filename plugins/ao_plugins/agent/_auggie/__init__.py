"""What only the adapter of that agent needs."""
