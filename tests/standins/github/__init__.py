"""A strict stand-in for GitHub. See `GitHub` in `host.py`."""

from standins.github.host import TOKEN, GitHub, hosted

__all__ = ["TOKEN", "GitHub", "hosted"]
