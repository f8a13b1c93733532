"""The yardstick: a warm process forks once per task, two at a time, each child pickles its result to a file."""

from __future__ import annotations

import os
import pickle
import sys
import tempfile

__all__ = ["run"]

AT_ONCE = 2


def run(width: int, directory: str) -> int:
    """Fork `width` children, wait for all, and return the sum of what they pickled."""
    alive = 0
    for number in range(width):
        if alive == AT_ONCE:
            os.wait()
            alive -= 1
        if os.fork() == 0:
            with open(f"{directory}/{number}", "wb") as file:
                pickle.dump(number**2, file, protocol=5)
            os._exit(0)
        alive += 1
    for _ in range(alive):
        os.wait()
    total = 0
    for number in range(width):
        with open(f"{directory}/{number}", "rb") as file:
            total += pickle.load(file)
    return total


def main() -> None:
    """Warm up as a flow's process is warm, then run the loop."""
    import asyncflow.worker.attempt  # noqa: F401  the same modules in memory as a zygote has

    width = int(sys.argv[1])
    with tempfile.TemporaryDirectory() as directory:
        total = run(width, directory)
    if total != sum(number**2 for number in range(width)):
        raise SystemExit("the fork loop lost something")


if __name__ == "__main__":
    main()
