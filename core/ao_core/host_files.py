"""The files of a session host, each of which is old or new at every moment.

Imports next to nothing; see host_log.
"""

import os


def written(path: str, data: bytes) -> bool:
    """Write a file; whether that went well."""
    return drafted(path, data) and settled(path)


def drafted(path: str, data: bytes) -> bool:
    """Put down what a file is to hold, and take the space for it; whether that went well."""
    try:
        file = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with open(file, "wb", 0) as stream:
            return stream.write(data) == len(data)
    except OSError:
        return False


def settled(path: str) -> bool:
    """Have a file hold what was put down for it; whether that went well."""
    try:
        os.replace(f"{path}.new", path)
    except OSError:
        return False
    return True
