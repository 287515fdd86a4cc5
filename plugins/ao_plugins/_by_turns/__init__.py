"""Runs an agent that does one turn and ends, so that it can be told more than once.

`python -I -X utf8 -m ao_plugins._by_turns` is what stands in the terminal. It runs the agent's
command for each message, and between two of them it shows a line to type in. It says by the spool
what it does: so the agent is idle after a turn that ended well, and dead after any other.
"""
