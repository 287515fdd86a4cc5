"""The demo: a scripted lead, the shipped worker, a sample repository, and a person who watches."""
