"""The command line: the operations as commands, and what only people do."""
