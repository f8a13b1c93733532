"""What the objects of a store in a bucket are called. Nothing else spells these keys.

blobs/<2 hex>/<38 hex>                 a blob's file as it lies in a home, header included; written once
ids/<run>                              this run id is taken; written once
index/<run>                            what a list of runs shows of it; overwritten by who holds the lease
runs/<run>/events/<first seq>          a segment of the log; written once
runs/<run>/manifests/<task>.<attempt>  what one attempt left; written by who ran it
runs/<run>/logs/<task>.<attempt>/<n>   a piece of what an attempt printed
runs/<run>/lease/<epoch>               who drives it; overwritten while it does, written once by who takes over
runs/<run>/specs/<name>                what a container is to run
code/<digest>                          a code package; written once

Numbers have so many digits that the order of keys is theirs.
"""

from __future__ import annotations

__all__ = [
    "IDS",
    "INDEX",
    "blob_key",
    "code_key",
    "events_key",
    "events_prefix",
    "id_key",
    "index_key",
    "lease_key",
    "lease_prefix",
    "log_key",
    "log_prefix",
    "manifest_key",
    "manifests_prefix",
    "number_of",
    "run_prefix",
    "spec_key",
]

IDS = "ids/"
INDEX = "index/"
_DIGITS = 12


def blob_key(digest: str) -> str:
    """Return the key of a content-addressed blob."""
    return f"blobs/{digest[:2]}/{digest[2:]}"


def code_key(digest: str) -> str:
    """Return the key of a code package."""
    return f"code/{digest}"


def id_key(run: int) -> str:
    """Return the key that says that a run id is taken."""
    return f"{IDS}{run:0{_DIGITS}}"


def index_key(run: int) -> str:
    """Return the key of what a list of runs shows of a run."""
    return f"{INDEX}{run:0{_DIGITS}}"


def run_prefix(run: int) -> str:
    """Return what the keys of a run begin with."""
    return f"runs/{run}/"


def events_prefix(run: int) -> str:
    """Return what the keys of a run's log begin with."""
    return f"runs/{run}/events/"


def events_key(run: int, first_seq: int) -> str:
    """Return the key of the segment of the log that begins with that event."""
    return f"runs/{run}/events/{first_seq:0{_DIGITS}}"


def manifests_prefix(run: int) -> str:
    """Return what the keys of a run's manifests begin with."""
    return f"runs/{run}/manifests/"


def manifest_key(run: int, task: int, attempt: int) -> str:
    """Return the key of what one attempt left."""
    return f"runs/{run}/manifests/{task}.{attempt}"


def log_prefix(run: int, task: int, attempt: int) -> str:
    """Return what the keys of an attempt's output begin with."""
    return f"runs/{run}/logs/{task}.{attempt}/"


def log_key(run: int, task: int, attempt: int, piece: int) -> str:
    """Return the key of a piece of what an attempt printed; pieces are counted from 0."""
    return f"runs/{run}/logs/{task}.{attempt}/{piece:06}"


def lease_prefix(run: int) -> str:
    """Return what the keys of a run's leases begin with."""
    return f"runs/{run}/lease/"


def lease_key(run: int, epoch: int) -> str:
    """Return the key of the lease of those who drive a run, in the order in which they did: 1, 2, ..."""
    return f"runs/{run}/lease/{epoch:06}"


def spec_key(run: int, name: str) -> str:
    """Return the key of what a container is to run."""
    return f"runs/{run}/specs/{name}"


def number_of(key: str) -> int | None:
    """Return the number a key of `ids/`, `index/`, `lease/` or `events/` ends with; None if it has none."""
    last = key.rpartition("/")[2]
    return int(last) if last.isascii() and last.isdigit() else None
