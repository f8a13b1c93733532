"""Runs cases under Metaflow and records what is to be seen: `python -m tests.differential [WORDS...]`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.differential.cases import CASES
from tests.differential.compare import RECORDED, run_case


def main() -> None:
    """Record the cases whose names contain one of the words, all of them without words."""
    python = os.environ["ASYNCFLOW_METAFLOW_PYTHON"]
    words = sys.argv[1:] or [""]
    chosen = [name for name in CASES if any(word in name for word in words)]
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}

    def record(name: str) -> None:
        with tempfile.TemporaryDirectory(prefix="differential-") as directory:
            recorded[name] = run_case(CASES[name], Path(directory), python)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record, chosen))
    known = {name: recorded[name] for name in CASES if name in recorded}
    RECORDED.write_text(json.dumps(known, indent=1) + "\n")


if __name__ == "__main__":
    main()
