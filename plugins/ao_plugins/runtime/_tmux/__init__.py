"""The parts of the tmux runtime."""
