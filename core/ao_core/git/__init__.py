"""Git, as the engine and its plugins use it."""
