"""The one way plugins speak HTTP."""

from ao_core.http.api import Api

__all__ = ["Api"]
