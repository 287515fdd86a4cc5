"""The parts of the process runtime."""
