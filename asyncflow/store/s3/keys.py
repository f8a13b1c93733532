"""What the objects of a store in a bucket are called. Nothing else spells these keys.

owner                                   what tells this store from others, for replicas and jobs; written once
blobs/<2 hex>/<38 hex>                  a blob's file as it lies in a home, header included; written once
code/<digest>                           a code package; written once
ids/<run>                               this run id is taken; written once
heads/<run, counted down>               what a list of runs shows of it, newest first; overwritten by its driver
runs/<run>/stream/<n>                   piece n of what its drivers recorded (`store.pieces`); written once, in order
runs/<run>/lease/<epoch>                who drives it; overwritten while it does, written first by who takes over
runs/<run>/requests/<ms>-<random>       what somebody elsewhere asks of its driver, which removes it
runs/<run>/specs/<name>                 what workers in containers are to run; written once
runs/<run>/claims/<task>.<attempt>      which worker runs an attempt; written once
runs/<run>/results/<task>.<attempt>     what an attempt in a container left; written once, by its worker
runs/<run>/logs/<ms>-<task>.<attempt>.<n>  a piece of what such an attempt printed, in order of time over all of them
runs/<run>/cards/<task>.<attempt>       what an attempt's cards show while it runs; overwritten, removed at its end

Numbers have so many digits that the order of keys is theirs.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "BLOBS",
    "HEADS",
    "IDS",
    "OWNER",
    "LogKey",
    "blob_key",
    "cards_key",
    "cards_prefix",
    "claim_key",
    "code_key",
    "head_key",
    "id_key",
    "lease_key",
    "lease_prefix",
    "log_key",
    "logs_after",
    "logs_prefix",
    "number_of",
    "parse_cards_key",
    "parse_log_key",
    "piece_key",
    "request_key",
    "requests_prefix",
    "result_key",
    "run_of_head",
    "run_prefix",
    "spec_key",
    "stream_prefix",
]

OWNER = "owner"
BLOBS = "blobs/"
IDS = "ids/"
HEADS = "heads/"
_DIGITS = 12
_LAST = 10**_DIGITS - 1
_MS_DIGITS = 14


class LogKey(NamedTuple):
    """What the key of a piece of output says."""

    at_ms: int
    """When it was written, by the server's clock as the worker knows it; milliseconds since the epoch."""
    task: int
    attempt: int
    piece: int
    """Counted from 0 for each attempt."""


def blob_key(digest: str) -> str:
    """Return the key of a content-addressed blob."""
    return f"blobs/{digest[:2]}/{digest[2:]}"


def code_key(digest: str) -> str:
    """Return the key of a code package."""
    return f"code/{digest}"


def id_key(run: int) -> str:
    """Return the key that says that a run id is taken."""
    return f"{IDS}{run:0{_DIGITS}}"


def head_key(run: int) -> str:
    """Return the key of what a list of runs shows of a run; those of newer runs come first."""
    return f"{HEADS}{_LAST - run:0{_DIGITS}}"


def run_of_head(key: str) -> int | None:
    """Return the run that such a key is of; None if it is none."""
    number = number_of(key)
    return None if number is None else _LAST - number


def run_prefix(run: int) -> str:
    """Return what the keys of a run begin with."""
    return f"runs/{run}/"


def stream_prefix(run: int) -> str:
    """Return what the keys of what a run's drivers recorded begin with."""
    return f"runs/{run}/stream/"


def piece_key(run: int, number: int) -> str:
    """Return the key of a piece of what a run's drivers recorded; pieces are counted from 0."""
    return f"runs/{run}/stream/{number:0{_DIGITS}}"


def lease_prefix(run: int) -> str:
    """Return what the keys of a run's leases begin with."""
    return f"runs/{run}/lease/"


def lease_key(run: int, epoch: int) -> str:
    """Return the key of the lease of those who drive a run, in the order in which they did: 1, 2, ..."""
    return f"runs/{run}/lease/{epoch:06}"


def requests_prefix(run: int) -> str:
    """Return what the keys of what is asked of a run's driver begin with."""
    return f"runs/{run}/requests/"


def request_key(run: int, at_ms: int, mark: str) -> str:
    """Return the key of something that is asked of a run's driver; `mark` keeps those of one moment apart."""
    return f"runs/{run}/requests/{at_ms:0{_MS_DIGITS}}-{mark}"


def spec_key(run: int, name: str) -> str:
    """Return the key of what workers in containers are to run."""
    return f"runs/{run}/specs/{name}"


def claim_key(run: int, task: int, attempt: int) -> str:
    """Return the key that says which worker runs an attempt."""
    return f"runs/{run}/claims/{task}.{attempt}"


def result_key(run: int, task: int, attempt: int) -> str:
    """Return the key of what an attempt in a container left."""
    return f"runs/{run}/results/{task}.{attempt}"


def cards_prefix(run: int) -> str:
    """Return what the keys of what a run's attempts show while they run begin with."""
    return f"runs/{run}/cards/"


def cards_key(run: int, task: int, attempt: int) -> str:
    """Return the key of what an attempt's cards show while it runs."""
    return f"runs/{run}/cards/{task}.{attempt}"


def parse_cards_key(key: str) -> tuple[int, int] | None:
    """Return task and attempt of such a key; None if it is none."""
    task, _, attempt = key.rpartition("/")[2].partition(".")
    return (int(task), int(attempt)) if task.isdecimal() and attempt.isdecimal() else None


def logs_prefix(run: int) -> str:
    """Return what the keys of what a run's attempts in containers printed begin with."""
    return f"runs/{run}/logs/"


def logs_after(run: int, at_ms: int) -> str:
    """Return what all keys of pieces written at that time or later are behind of."""
    return f"runs/{run}/logs/{at_ms:0{_MS_DIGITS}}"


def log_key(run: int, key: LogKey) -> str:
    """Return the key of a piece of what an attempt printed."""
    return f"runs/{run}/logs/{key.at_ms:0{_MS_DIGITS}}-{key.task}.{key.attempt}.{key.piece}"


def parse_log_key(key: str) -> LogKey | None:
    """Read what the key of a piece of output says; None if it is none."""
    stamp, _, rest = key.rpartition("/")[2].partition("-")
    numbers = [stamp, *rest.split(".")]
    if len(numbers) != len(LogKey._fields) or not all(part.isascii() and part.isdigit() for part in numbers):
        return None
    return LogKey(*map(int, numbers))


def number_of(key: str) -> int | None:
    """Return the number a key of `ids/`, `heads/`, `lease/` or `stream/` ends with; None if it has none."""
    last = key.rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() else None
