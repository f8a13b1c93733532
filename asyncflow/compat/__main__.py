"""`python -m asyncflow.compat flow.py run`: what `python flow.py run` is for a flow that imports metaflow."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence

from asyncflow.cli.main import main
from asyncflow.compat.finder import install

__all__: list[str] = []


def _run(arguments: Sequence[str]) -> None:
    file = os.path.abspath(arguments[0]) if arguments else ""
    if not os.path.isfile(file):
        main(["run", *arguments])  # says what is wrong, or helps
    install()
    sys.argv = list(arguments)
    sys.path[0] = os.path.dirname(file)
    runpy.run_path(file, run_name="__main__")


if __name__ == "__main__":
    _run(sys.argv[1:])
