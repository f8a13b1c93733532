"""Runs the real command line with two seconds of patience for a locked database instead of sixty."""

from __future__ import annotations

from asyncflow.events import database

if __name__ == "__main__":
    database.PATIENCE_S = 2.0
    database.patiently.__defaults__ = (2.0,)
    from asyncflow.cli.main import main

    main()
