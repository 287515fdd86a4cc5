"""Each verb once: a typed request, a typed reply, one function."""
