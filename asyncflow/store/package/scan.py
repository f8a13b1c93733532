"""Which files of a directory are a flow's code: those with certain suffixes, and none that is hidden or secret."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from typing import NamedTuple

from asyncflow.errors import UserError

__all__ = ["HIDDEN", "PackageError", "Scan", "Source", "files_below", "source_of"]


class PackageError(UserError):
    """The code for workers elsewhere cannot be packed as it is."""

    headline = "The code cannot be packed"


class Source(NamedTuple):
    """A file that goes into a package."""

    name: str
    """In the package, with `/`."""
    path: str
    size_bytes: int
    inode: int
    changed_ns: int
    """When its content or its name was last changed, as the file system knows it."""
    is_executable: bool


class Scan(NamedTuple):
    """What was found."""

    files: tuple[Source, ...]
    left_out: tuple[str, ...]
    """Paths with a suffix that was asked for, which look like secrets."""


HIDDEN = "."
"""What the names of files and directories that are never packed begin with."""
_NO_CODE = ("__pycache__", "node_modules")
_MARKS = ("pyvenv.cfg", "asyncflow.db")
"""A directory with one of these is a virtual environment or a store."""
_SECRETS = (
    "*.pem",
    "*.key",
    "*.p12",
    "*.pfx",
    "*.jks",
    "*.keystore",
    "*.kdbx",
    "*.env",
    "id_rsa*",
    "id_dsa*",
    "id_ecdsa*",
    "id_ed25519*",
    "credentials",
    "credentials.*",
    "*_credentials.json",
    "service_account*.json",
    "kubeconfig*",
    "htpasswd",
)
_MOST_ENTRIES = 200_000


def files_below(directory: str, suffixes: Sequence[str], *, under: str = "") -> Scan:
    """Find the files of a directory, and of those in it, that end in one of the suffixes, sorted by name.

    Links are followed, a directory that leads back into itself once. Left out is what is hidden, compiled, installed
    (virtual environments, `node_modules`), a store of asyncflow, or named like a key or a password file.

    Args:
        directory: An absolute path.
        suffixes: Such as `.py`.
        under: What names in the package begin with, such as `library/`.

    Raises:
        PackageError: A directory cannot be read, or there is no end of files.
    """
    walk = _Walk(tuple(suffixes))
    files = sorted(walk.below(directory, under, ()))
    return Scan(tuple(files), tuple(sorted(walk.left_out)))


def source_of(name: str, path: str) -> Source:
    """Look at one file, whatever it is called. Raises PackageError if it is not there."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise PackageError(
            f"A file of the code package cannot be read: {error.strerror}", where=path
        ) from error
    return _source(name, path, found)


def _source(name: str, path: str, found: os.stat_result) -> Source:
    changed = max(found.st_mtime_ns, found.st_ctime_ns)
    return Source(name, path, found.st_size, found.st_ino, changed, bool(found.st_mode & 0o100))


def _is_secret(name: str) -> bool:
    """Tell whether a file is named like a secret; a module never is, as whoever imports it would miss it."""
    return not name.endswith(".py") and any(fnmatch(name.lower(), pattern) for pattern in _SECRETS)


class _Walk:
    """Goes through directories, and counts what it sees."""

    def __init__(self, suffixes: tuple[str, ...]) -> None:
        self.left_out: list[str] = []
        self._suffixes = suffixes
        self._seen = 0

    def below(self, directory: str, under: str, above: tuple[tuple[int, int], ...]) -> Iterator[Source]:
        try:
            own = os.stat(directory)
            entries = sorted(os.scandir(directory), key=lambda entry: entry.name)
        except OSError as error:
            raise PackageError(
                f"A directory of the flow's cannot be read: {error.strerror}", where=directory
            ) from error
        here = (own.st_dev, own.st_ino)
        if here in above or any(entry.name in _MARKS for entry in entries):
            return
        self._count(len(entries), directory)
        for entry in entries:
            if entry.name.startswith(HIDDEN):
                continue
            yield from self._entry(entry, under, (*above, here))

    def _entry(
        self, entry: os.DirEntry[str], under: str, above: tuple[tuple[int, int], ...]
    ) -> Iterator[Source]:
        try:
            if entry.is_dir():
                if entry.name not in _NO_CODE:
                    yield from self.below(entry.path, f"{under}{entry.name}/", above)
            elif entry.name.endswith(self._suffixes) and entry.is_file():
                if _is_secret(entry.name):
                    self.left_out.append(entry.path)
                else:
                    yield _source(f"{under}{entry.name}", entry.path, entry.stat())
        except OSError:
            return  # removed since the directory was read, or a link that leads nowhere

    def _count(self, entries: int, directory: str) -> None:
        self._seen += entries
        if self._seen > _MOST_ENTRIES:
            raise PackageError(
                f"Beneath the flow's directory are more than {_MOST_ENTRIES:,} files",
                where=directory,
                hint="All of it is looked through for code. Put the flow into a directory of its own.",
            )
