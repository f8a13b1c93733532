"""Where the limits that all runs of a user on this machine share are kept, and which of their holders live.

    <runtime directory>/asyncflow/limits/      0700, the user's own
        owners/<token>                         locked as long as its holder lives; the kernel lets go when it dies
        <digest of the limit>/lock             held while the ledger is read and written
        <digest of the limit>/ledger.json      replaced as a whole

Nothing here outlives the machine's start: ledgers of another one are void.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager
from hashlib import blake2b

from asyncflow.errors import PlatformError
from asyncflow.runtime.limits_ledger import Ledger

__all__ = ["LimitsDirectory", "LimitsUnavailable", "Signature", "find_directory", "holders_now"]

Signature = tuple[int, int, int]
"""Tells one state of a ledger's file from another."""

_TRIES = 20


class LimitsUnavailable(PlatformError):
    """The directory that this user's runs share their limits in cannot be used."""

    headline = "Limits cannot be kept"


def find_directory() -> str:
    """Return where this user's limits are kept, made if need be.

    `XDG_RUNTIME_DIR` if it is the user's own, else `/run/user/<uid>`, else `/tmp/asyncflow-<uid>`.

    Raises:
        LimitsUnavailable: It cannot be made, or is somebody else's, or open to others.
    """
    uid = os.getuid()
    named = os.environ.get("XDG_RUNTIME_DIR", "")
    for base in (named, f"/run/user/{uid}"):
        if os.path.isabs(base) and _is_private(base):
            return _made(os.path.join(base, "asyncflow"))
    # By its name, not by TMPDIR: all processes of the user must find the same place.
    return _made(f"/tmp/asyncflow-{uid}")  # noqa: S108 - made 0700, owner and mode are checked


def holders_now(path: str) -> list[Ledger]:
    """Return the ledgers that living runs hold or want permits of, by name; others are left out.

    Args:
        path: What `find_directory` returned.
    """
    directory = LimitsDirectory(path)
    try:
        ledgers = directory.ledgers()
        for ledger in ledgers:
            alive = {token: holder for token, holder in ledger.holders.items() if directory.is_alive(token)}
            ledger.holders = alive
        return [ledger for ledger in ledgers if ledger.holders]
    finally:
        directory.close()


def _made(base: str) -> str:
    path = os.path.join(base, "limits")
    try:
        for directory in (base, path, os.path.join(path, "owners")):
            with _ignoring_existing():
                os.mkdir(directory, 0o700)
            if not _is_private(directory):
                raise LimitsUnavailable(
                    "The directory for limits that runs share is not this user's alone.",
                    where=directory,
                    hint=f"Look who made it (`ls -ld {directory}`), and remove it or set XDG_RUNTIME_DIR.",
                )
    except OSError as error:
        raise LimitsUnavailable(
            f"The directory for limits that runs share cannot be made: {error.strerror}.",
            where=path,
            hint="Set XDG_RUNTIME_DIR to a directory of your own, mode 0700.",
        ) from error
    return path


def _is_private(path: str) -> bool:
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o077


@contextmanager
def _ignoring_existing() -> Generator[None]:
    try:
        yield
    except FileExistsError:
        return


class LimitsDirectory:
    """The directory as one holder uses it. Blocking, though never for long: no call waits for another process.

    Args:
        path: What `find_directory` returned.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.token = os.urandom(8).hex()
        self._boot = _boot()
        self._life = os.open(self._owner(self.token), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._life, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def close(self) -> None:
        """Die, as far as other holders can see."""
        if self._life >= 0:
            _remove(self._owner(self.token))
            os.close(self._life)
            self._life = -1

    def touch(self) -> None:
        """Keep the holder's file from looking old. Raises FileNotFoundError if it was cleared away."""
        os.utime(self._owner(self.token))

    def is_alive(self, token: str) -> bool:
        """Tell whether a holder lives. What is left of a dead one is removed."""
        path = self._owner(token)
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        _remove(path)
        return False

    @contextmanager
    def opened(self, permit: str, per_s: float | None) -> Generator[Ledger | None]:
        """Give a limit's ledger to be changed, and write it at the end. None: another process is at it, try again."""
        place = self._place(permit)
        with _ignoring_existing():
            os.mkdir(place, 0o700)
        lock = _lock(os.path.join(place, "lock"))
        if lock is None:
            yield None
            return
        try:
            ledger = self._read(place) or Ledger(permit, per_s)
            before = ledger.to_data()
            yield ledger
            if ledger.to_data() != before:
                self._write(place, ledger)
        finally:
            os.close(lock)

    def signature(self, permit: str) -> Signature | None:
        """Return what tells whether a ledger has changed; None while there is none."""
        try:
            found = os.stat(os.path.join(self._place(permit), "ledger.json"))
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def ledgers(self) -> list[Ledger]:
        """Return all ledgers as they are now, by name."""
        places = [os.path.join(self.path, name) for name in os.listdir(self.path) if name != "owners"]
        found = [ledger for place in places if (ledger := self._read(place)) is not None]
        return sorted(found, key=lambda ledger: ledger.permit)

    def _read(self, place: str) -> Ledger | None:
        try:
            with open(os.path.join(place, "ledger.json"), encoding="utf-8") as file:
                data = json.load(file)
            return Ledger.from_data(data["ledger"]) if data["boot"] == self._boot else None
        except (OSError, KeyError, TypeError, ValueError):
            return None  # none yet, of another start of the machine or release: whoever holds permits says so again

    def _write(self, place: str, ledger: Ledger) -> None:
        path = os.path.join(place, "ledger.json")
        new = f"{path}.new"
        with open(new, "w", encoding="utf-8") as file:
            file.write(
                json.dumps({"boot": self._boot, "ledger": ledger.to_data()})
            )  # dump() is 10 times slower
        os.replace(new, path)

    def _owner(self, token: str) -> str:
        return os.path.join(self.path, "owners", token)

    def _place(self, permit: str) -> str:
        return os.path.join(self.path, blake2b(permit.encode(), digest_size=16).hexdigest())


def _lock(path: str) -> int | None:
    """Return the locked file; None if another process holds it now."""
    for _ in range(_TRIES):
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file).st_ino == os.stat(path).st_ino:  # not one that was cleared away meanwhile
                return file
        except BlockingIOError:
            os.close(file)
            return None
        except FileNotFoundError:
            pass
        os.close(file)
    return None


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        return


def _boot() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""
