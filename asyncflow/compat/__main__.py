"""`python -m asyncflow.compat flow.py run`: what `python flow.py run` is for a flow that imports metaflow."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Sequence
from types import TracebackType

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

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Tell of the script's error as Python does, without the frames above it."""
        below = _from(file, trace)
        sys.__excepthook__(kind, error.with_traceback(below), below)

    sys.excepthook = tell
    runpy.run_path(file, run_name="__main__")


def _from(file: str, trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame of a file on; None if there is none."""
    while trace is not None and trace.tb_frame.f_code.co_filename != file:
        trace = trace.tb_next
    return trace


if __name__ == "__main__":
    _run(sys.argv[1:])
