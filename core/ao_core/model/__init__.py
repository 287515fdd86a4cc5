"""The values the engine thinks in."""
