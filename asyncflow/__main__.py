"""`python -m asyncflow` is the command `asyncflow`, with the interpreter one names."""

from __future__ import annotations

import sys

from asyncflow.cli.main import program

if __name__ == "__main__":
    sys.argv[0] = "asyncflow"
    program()
