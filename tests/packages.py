"""Where the machines of tests keep code packages: named by digest, they need not be packed by each anew, for 1 s."""

from __future__ import annotations

from pathlib import Path

__all__ = ["PACKAGES"]

PACKAGES = str(Path(__file__).parents[1] / ".pytest_cache" / "packages")
"""For XDG_CACHE_HOME."""
