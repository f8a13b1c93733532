"""A browser without a screen, for tests that look at pages. `make services` installs it."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.services import needed

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_PROXY = "--proxy-server=http://127.0.0.1:9"
"""Nobody listens there: but for this machine, a page reaches nothing."""


def dom_of(page: str | Path, *, budget_ms: int = 2000) -> str:
    """Return a page as its scripts have made it. A page is a URL or a file that is there."""
    return _run(_url(page), "--dump-dom", f"--virtual-time-budget={budget_ms}")


def picture_of(
    page: str | Path, to: Path, *, width: int = 1240, height: int = 800, budget_ms: int = 2000
) -> Path:
    """Write a picture of a page as a PNG file; return its path."""
    _run(
        _url(page),
        f"--screenshot={to}",
        f"--window-size={width},{height}",
        f"--virtual-time-budget={budget_ms}",
    )
    return to


def _url(page: str | Path) -> str:
    return page if isinstance(page, str) else page.resolve(strict=True).as_uri()


def _run(url: str, *flags: str) -> str:
    program = needed.require("chromium")["CHROMIUM"]
    with tempfile.TemporaryDirectory(prefix="asyncflow-browser-", ignore_cleanup_errors=True) as profile:
        done = subprocess.run(
            [program, *_FLAGS, _PROXY, f"--user-data-dir={profile}", *flags, url],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=50,
            check=True,
        )
    return done.stdout
