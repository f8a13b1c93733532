"""Kill `asyncflow gc` again and again beside running runs: `python -m tests.cli.gc.kills --kills 200`.

Two runs go on all the time, one of them of cached steps; their results, and those of the runs before them, must never
be touched, and at the end a cleaning must remove all that nobody needs.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from subprocess import Popen

from tests.cli.place import Place

__all__: list[str] = []


def main(kills: int, seed: int) -> int:
    """Do it; return the exit code."""
    chance, done, runs = random.Random(seed), 0, 0
    with tempfile.TemporaryDirectory(prefix="gc-kills-") as directory:
        place = Place(Path(directory), {"ASYNCFLOW_HOME": f"{directory}/store"})
        heavy = place.flow("heavy")
        assert place.run("run", heavy, "--cache").code == 0
        while done < kills:
            running = [place.start("run", heavy, "--nap", "0.2", *more) for more in ((), ("--cache",))]
            while done < kills and any(process.poll() is None for process in running):
                done += _killed(
                    place.start("gc", "--keep-last", str(chance.randrange(3)), "--grace", "0"), chance
                )
            codes = [place.end_of(process).code for process in running]
            runs += 2
            whole = place.run("doctor", "--thorough")
            if codes != [0, 0] or whole.code:
                shutil.copytree(
                    directory, kept := f"{tempfile.gettempdir()}/gc-kills-{seed}", dirs_exist_ok=True
                )
                sys.stdout.write(f"after {done} kills: exit codes {codes}\n{whole.stdout}\nkept in {kept}\n")
                return 1
        assert place.run("gc", "--keep-last", "0", "--grace", "0").code == 0
        there = (path for path in Path(directory, "store").glob("*/**/*") if path.is_file())
        left = [str(path) for path in there if "locks" not in path.parts]
        sys.stdout.write(
            f"{done} cleanings killed beside {runs} runs: all whole; left at the end: {left or 'nothing'}\n"
        )
        return int(bool(left))


def _killed(process: Popen[bytes], chance: random.Random) -> bool:
    """Kill a cleaning at a random time; tell whether it was still going on."""
    time.sleep(chance.uniform(0.02, 0.35))
    was_alive = process.poll() is None
    if was_alive:
        process.send_signal(signal.SIGKILL)
    process.communicate()
    return was_alive


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    sys.exit(main(asked.kills, asked.seed))
