"""Where things lie in a store's directory. Nothing else spells these paths.

.asyncflow/                     0700
  asyncflow.db (-wal, -shm)     event log and views
  blobs/<2 hex>/<38 hex>        content-addressed, written once
  runs/<run>/<task // 1000>.manifests      a pack: the manifests of a thousand tasks, appended
             <task // 1000>/<task>.<attempt>.log
             <task // 1000>/<task>.<attempt>.cards      what its cards show while it runs; see cards/live.py
  memos/<40 hex>                for each step's code, what results were made of (@cache)
  tmp/                          files being written
  locks/                        empty files, locked while the store is cleaned and blobs are used again
  remote                        of a store in a bucket: its address; this directory is its replica here
  cache/<2 hex>/<38 hex>        of such a store: blobs that are in the bucket, removed when they are too many
  owner                         what tells this store from others, for jobs on other platforms
  shared/                       what a bucket is for workers on other machines that see this directory
"""

from __future__ import annotations

__all__ = [
    "BLOBS",
    "DATABASE",
    "RUNS",
    "SPIN_STORE",
    "STORE_DIRECTORY",
    "TEMPORARY",
    "attempt_of_file",
    "blob_path",
    "cache_directory",
    "cached_blob_path",
    "gc_lock_path",
    "live_cards_path",
    "log_path",
    "memo_path",
    "memos_directory",
    "owner_path",
    "pack_path",
    "remote_path",
    "run_directory",
    "shared_directory",
    "task_directory",
    "temporary_directory",
]

SPIN_STORE = "spin"
"""The directory in a store that holds what was spun and is kept; a store of its own."""
STORE_DIRECTORY = ".asyncflow"
DATABASE = "asyncflow.db"
BLOBS = "blobs"
RUNS = "runs"
TEMPORARY = "tmp"


def run_directory(root: str, run: int) -> str:
    """Return the directory of a run's manifests and logs."""
    return f"{root}/runs/{run}"


def task_directory(root: str, run: int, task: int) -> str:
    """Return the directory of a task's log; a thousand tasks share one, which keeps directories small."""
    return f"{root}/runs/{run}/{task // 1000}"


def pack_path(root: str, run: int, task: int) -> str:
    """Return the path of the pack in which the manifests of a task's attempts are."""
    return f"{root}/runs/{run}/{task // 1000}.manifests"


def log_path(root: str, run: int, task: int, attempt: int) -> str:
    """Return the path of an attempt's log (both streams)."""
    return f"{root}/runs/{run}/{task // 1000}/{task}.{attempt}.log"


def live_cards_path(root: str, run: int, task: int, attempt: int) -> str:
    """Return the path of what an attempt's cards show while it runs."""
    return f"{root}/runs/{run}/{task // 1000}/{task}.{attempt}.cards"


def attempt_of_file(name: str, suffix: str) -> tuple[int, int] | None:
    """Return task and attempt of a file in a task's directory; None: it is of another kind.

    Args:
        name: Of the file, without its directory.
        suffix: Of its kind: `.log` or `.cards`.
    """
    task, _, number = name.removesuffix(suffix).partition(".")
    if not (name.endswith(suffix) and task.isdecimal() and number.isdecimal()):
        return None
    return int(task), int(number)


def temporary_directory(root: str) -> str:
    """Return the directory of files being written."""
    return f"{root}/{TEMPORARY}"


def memos_directory(root: str) -> str:
    """Return the directory of what results were made of."""
    return f"{root}/memos"


def memo_path(root: str, base: str) -> str:
    """Return the path of the results of one step's code; `base` is its digest."""
    return f"{root}/memos/{base}"


def gc_lock_path(root: str, name: str) -> str:
    """Return the path of a lock that cleaning the store takes."""
    return f"{root}/locks/{name}.lock"


def blob_path(root: str, digest: str) -> str:
    """Return the path of a content-addressed blob."""
    return f"{root}/blobs/{digest[:2]}/{digest[2:]}"


def remote_path(root: str) -> str:
    """Return the path of the file that names the bucket of which this directory is a replica."""
    return f"{root}/remote"


def cache_directory(root: str) -> str:
    """Return the directory of blobs that are in the bucket as well."""
    return f"{root}/cache"


def cached_blob_path(root: str, digest: str) -> str:
    """Return the path of a blob that is in the bucket as well."""
    return f"{root}/cache/{digest[:2]}/{digest[2:]}"


def owner_path(root: str) -> str:
    """Return the path of the file that tells this store from others."""
    return f"{root}/owner"


def shared_directory(root: str) -> str:
    """Return the directory that is a bucket for workers which see the scheduler's files."""
    return f"{root}/shared"
