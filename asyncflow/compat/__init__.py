"""`import metaflow` gives asyncflow: flows, scripts and notebooks written for Metaflow run as they are.

names    what there is, and where in asyncflow it lives
finder   the meta path finder, and its modules

`asyncflow run flow.py` does this on its own while it loads the flow, and in the processes of tasks. A notebook or a
script says `asyncflow.compat.install()` before it imports metaflow; `python -m asyncflow.compat flow.py run` is
Metaflow's own command line. It does not matter whether Metaflow is installed.
"""

from __future__ import annotations

from asyncflow.compat.finder import MissingName, install, installed, uninstall

__all__ = ["MissingName", "install", "installed", "uninstall"]
