"""A deterministic coding agent: it does what the task's own small script says.

It is what the demo and the tests run in place of an agent with a model behind it, in a real
terminal or by the Agent Client Protocol. Standard library and the core's standard-library modules
only; started as `python -I -m ao_plugins.agent._worker`.
"""
