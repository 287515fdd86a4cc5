"""GitHub, as its pull requests and its issues both need it."""
