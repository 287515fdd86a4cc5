"""What a program of ours needs to be typed to in a terminal, as an agent is.

Keys and pastes, a draft, the envelope of a message, and one place to wait. Standard library and the
core's standard-library modules only. Shared by the worker of the demo and by what runs an agent
that does one turn and ends.
"""
