"""The yardstick for arrays: write the array's bytes to a file, and read the file into an array again."""

from __future__ import annotations

import os
import sys
import tempfile
import time

__all__ = ["write_and_read"]


def write_and_read(megabytes: int, directory: str) -> float:
    """Return the seconds from holding the array to holding an equal one, read from the file."""
    import numpy as np

    array = np.random.default_rng(0).random(megabytes * 2**20 // 8)
    path = f"{directory}/array"
    began = time.perf_counter()
    with open(path, "wb", buffering=0) as file:
        left = memoryview(array).cast("B")
        while left:
            left = left[file.write(left) :]
    written_s = time.perf_counter() - began
    expected = float(array.sum())
    del array, left
    began = time.perf_counter()
    copy = np.fromfile(path)
    read_s = time.perf_counter() - began
    if float(copy.sum()) != expected:
        raise SystemExit("the bare file lost something")
    os.unlink(path)
    return written_s + read_s


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=".") as here:
        sys.stdout.write(f"WAY_S {write_and_read(int(sys.argv[1]), here):.6f}\n")
