"""The files that objects are fetched into, and large values written to before they are sent."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from itertools import count

from asyncflow.settings import setting

__all__ = ["Files"]


class Files:
    """Files in a directory of their own, which is made when the first is, and removed with all of them.

    Args:
        root: Where the directory is made. None: as METAFLOW_TEMPDIR says, else in the working directory.
    """

    def __init__(self, root: str | None) -> None:
        self._root = root
        self._directory: str | None = None
        self._owner = 0
        self._numbers = count()
        self._making = threading.Lock()

    def new_path(self) -> str:
        """Return a path that nothing has. A process that was forked gets a directory of its own."""
        directory = self._directory
        while directory is None or self._owner != os.getpid():
            with self._making:  # several threads may want the first file
                if self._directory is None or self._owner != os.getpid():
                    root = os.path.abspath(self._root or setting("TEMPDIR") or ".")
                    self._directory = tempfile.mkdtemp(prefix="asyncflow.s3.", dir=root)
                    self._owner = os.getpid()
                directory = self._directory
        return f"{directory}/{next(self._numbers)}"

    def remove(self) -> None:
        """Remove the directory of this process."""
        directory, self._directory = self._directory, None
        if directory is not None and self._owner == os.getpid():
            shutil.rmtree(directory, ignore_errors=True)
