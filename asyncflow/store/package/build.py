"""A flow's code package: built when something changed, found by a look at its files' times when nothing did."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

from asyncflow.errors import StoreError
from asyncflow.records import record
from asyncflow.settings import setting
from asyncflow.store.failures import write_failure
from asyncflow.store.package.archive import Member, write_part
from asyncflow.store.package.brought import PLACE, brought_fingerprint, brought_members
from asyncflow.store.package.scan import PackageError, Source, files_below, source_of

__all__ = [
    "DEFAULT_SUFFIXES",
    "Package",
    "build_package",
    "default_suffixes",
    "packed_files",
    "split_suffixes",
]

DEFAULT_SUFFIXES = (".py", ".R", ".RDS")
_FORMAT = 1
_MOST_MB = 100
_SHOWN = 5
_UNSURE_NS = 100_000_000
"""A file that was changed less than that before it was packed may have been changed again without a trace."""
_KEPT_S = 14 * 86_400


@record
class Package:
    """An archive with everything a worker needs besides Python."""

    digest: str
    """SHA-256 of the archive, in hex."""
    path: str
    """Where it lies on this machine."""
    size_bytes: int
    """Of the archive."""
    files: tuple[str, ...]
    """The user's, as they are called in it."""
    script: str
    """Which of them is the flow's."""
    left_out: tuple[str, ...] = ()
    """Paths of files with a suffix that was asked for, which look like secrets."""
    is_new: bool = True
    """It was built just now; False: nothing had changed since."""


def default_suffixes() -> tuple[str, ...]:
    """Return the suffixes of what is packed in any case: those of a setting, else `DEFAULT_SUFFIXES`."""
    named = setting("DEFAULT_PACKAGE_SUFFIXES")
    return split_suffixes(named) if named else DEFAULT_SUFFIXES


def split_suffixes(text: str) -> tuple[str, ...]:
    """Read suffixes with commas between them."""
    return tuple(dict.fromkeys(part for part in (piece.strip() for piece in text.split(",")) if part))


def packed_files(
    flow_file: str, suffixes: Sequence[str] = (), extra: Iterable[Source] = ()
) -> tuple[list[Source], tuple[str, ...]]:
    """Return the user's files of a package, sorted by name, and the paths that were left out as secret.

    Args:
        flow_file: The flow's file, which is packed whatever it is called.
        suffixes: Of files in its directory and below, besides `default_suffixes`.
        extra: Files from elsewhere. Where two have one name, that of the flow's directory counts.

    Raises:
        PackageError: Something cannot be read, or it is more than the limit.
    """
    script = os.path.abspath(flow_file)
    several = tuple(dict.fromkeys((*default_suffixes(), *suffixes)))
    found = files_below(os.path.dirname(script), several)
    named: dict[str, Source] = {}
    for source in (*found.files, source_of(os.path.basename(script), script), *extra):
        named.setdefault(source.name, source)
    _check_size(named.values())
    return [named[name] for name in sorted(named)], found.left_out


def build_package(
    flow_file: str,
    *,
    suffixes: Sequence[str] = (),
    extra: Iterable[Source] = (),
    directory: str | None = None,
) -> Package:
    """Return the code package of a flow, as it is now. Blocks; what has not changed is not read again.

    Args:
        flow_file: See `packed_files`.
        suffixes: As there.
        extra: As there.
        directory: Where packages are kept. None: `asyncflow/packages` in the user's cache directory.

    Raises:
        PackageError: Something cannot be packed.
        StoreError: The archive cannot be written.
    """
    place = directory or _cache_directory()
    sources, left_out = packed_files(flow_file, suffixes, extra)
    script = os.path.basename(flow_file)
    brought = _digest_of([_FORMAT, brought_fingerprint()])
    stamps = [tuple(source) for source in sources]
    known = _Known(place, _digest_of([os.path.abspath(flow_file), *suffixes])[:40])
    fingerprint = _digest_of([_FORMAT, brought, stamps])
    digest = known.digest(fingerprint)
    is_new = digest is None
    try:
        if digest is None:
            started_ns = time.time_ns()
            digest = _write(place, brought, sources)
            is_sure = all(source.changed_ns < started_ns - _UNSURE_NS for source in sources)
            known.keep(fingerprint if is_sure else "", digest)
            _forget_old(place)
        path = _archive_path(place, digest)
        size_bytes = os.stat(path).st_size
    except OSError as error:
        raise write_failure(error, place, "The code package") from error
    return Package(
        digest=digest,
        path=path,
        size_bytes=size_bytes,
        files=tuple(source.name for source in sources),
        script=script,
        left_out=left_out,
        is_new=is_new,
    )


def _check_size(sources: Iterable[Source]) -> None:
    several = list(sources)
    most = _most_mb()
    total = sum(source.size_bytes for source in several)
    if total <= most * 1_000_000:
        return
    biggest = sorted(several, key=lambda source: -source.size_bytes)[:_SHOWN]
    listed = "\n".join(f"  {source.size_bytes / 1e6:8.1f} MB  {source.path}" for source in biggest)
    raise PackageError(
        f"The flow's code is {total / 1e6:.0f} MB, more than the {most} MB that are sent to workers. "
        f"The biggest files:\n{listed}",
        hint="Move data out of the flow's directory, ask for fewer suffixes (--package-suffixes), "
        "or allow more: ASYNCFLOW_PACKAGE_MAX_MB=500",
    )


def _most_mb() -> int:
    given = setting("PACKAGE_MAX_MB")
    if given is None:
        return _MOST_MB
    if not given.isdigit():
        raise PackageError(f"'{given}' is no number of megabytes", hint="ASYNCFLOW_PACKAGE_MAX_MB says so.")
    return int(given)


# What is known of earlier builds


class _Known:
    """Remembers which archive was made of what."""

    def __init__(self, place: str, key: str) -> None:
        self._place = place
        self._path = f"{place}/{key}.json"

    def digest(self, fingerprint: str) -> str | None:
        """Return the archive made of exactly this; None: there is none, or it is damaged."""
        try:
            with open(self._path, encoding="utf-8") as file:
                told = cast("dict[str, Any]", json.load(file))  # Any: JSON
            digest = str(told["digest"])
            path = _archive_path(self._place, digest)
            if told["fingerprint"] != fingerprint or os.stat(path).st_size != told["size_bytes"]:
                return None
            os.utime(path)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return digest

    def keep(self, fingerprint: str, digest: str) -> None:
        size_bytes = os.stat(_archive_path(self._place, digest)).st_size
        told = {"fingerprint": fingerprint, "digest": digest, "size_bytes": size_bytes}
        with _new_file(self._path) as write:
            write(json.dumps(told).encode())


def _write(place: str, brought: str, sources: Sequence[Source]) -> str:
    """Write the archive; return its digest."""
    os.makedirs(place, mode=0o700, exist_ok=True)
    first = _brought_part(place, brought)
    hasher = hashlib.sha256()
    temporary = f"{place}/{os.getpid()}.{os.urandom(6).hex()}.tmp"
    try:
        with open(temporary, "xb") as file:

            def write(data: bytes) -> None:
                hasher.update(data)
                file.write(data)

            write(first)
            write_part(write, _members(sources), is_last=True)
        digest = hasher.hexdigest()
        os.replace(temporary, _archive_path(place, digest))
    except BaseException:
        _unlink(temporary)
        raise
    return digest


def _members(sources: Iterable[Source]) -> Iterator[Member]:
    for source in sources:
        if source.name.startswith(f"{PLACE}/"):
            raise PackageError(f"A file of the flow's is called like asyncflow's own: {source.name}")
        try:
            with open(source.path, "rb") as file:
                yield Member(source.name, file.read(), source.is_executable)
        except OSError as error:
            raise PackageError(
                f"A file of the flow's cannot be read: {error.strerror}", where=source.path
            ) from error


def _brought_part(place: str, fingerprint: str) -> bytes:
    """Return what asyncflow brings, compressed; made once for each release and set of packages."""
    path = f"{place}/{fingerprint[:40]}.part"
    try:
        with open(path, "rb") as file:
            kept = file.read()
        os.utime(path)
    except FileNotFoundError:
        pass
    else:
        if hashlib.sha256(kept[:-32]).digest() == kept[-32:]:
            return kept[:-32]
    pieces: list[bytes] = []
    write_part(pieces.append, brought_members(), is_last=False)
    part = b"".join(pieces)
    with _new_file(path) as write:
        write(part + hashlib.sha256(part).digest())
    return part


@contextmanager
def _new_file(path: str) -> Generator[Callable[[bytes], object]]:
    """Write a file that appears whole."""
    temporary = f"{path}.{os.getpid()}.{os.urandom(6).hex()}.tmp"
    try:
        with open(temporary, "xb") as file:
            yield file.write
        os.replace(temporary, path)
    except BaseException:
        _unlink(temporary)
        raise


def _forget_old(place: str) -> None:
    """Remove what nobody has asked for in two weeks."""
    until = time.time() - _KEPT_S
    for entry in os.scandir(place):
        try:
            if entry.stat(follow_symlinks=False).st_mtime < until:
                _unlink(entry.path)
        except OSError:
            continue  # another process was faster


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # it is a file of the cache: one that stays does no harm


def _archive_path(place: str, digest: str) -> str:
    return f"{place}/{digest}.tar.gz"


def _cache_directory() -> str:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    if not os.path.isabs(base):
        raise StoreError(
            "There is no directory to keep code packages in: this user has no home",
            hint="Set XDG_CACHE_HOME to a directory that can be written.",
        )
    return os.path.join(base, "asyncflow", "packages")


def _digest_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()
