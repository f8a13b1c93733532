"""Who runs flows here."""

from __future__ import annotations

import os

__all__ = ["user_name"]


def user_name() -> str:
    """Return who runs flows here: ASYNCFLOW_USER, METAFLOW_USER, else the login name."""
    for name in ("ASYNCFLOW_USER", "METAFLOW_USER", "SUDO_USER", "USERNAME", "USER", "LOGNAME"):
        if os.environ.get(name):
            return os.environ[name]
    import pwd  # for those without a name in the environment; getpass comes with more than this

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return "unknown"
