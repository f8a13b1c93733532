"""A browser that looks at cards: Debian's Chromium, driven by Playwright; it downloads nothing and reaches nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

from tests.integration.cards.running import running
from tests.services import needed

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
NOBODY = "http://127.0.0.1:9"
"""A proxy that is not there: but for this machine, a page reaches nothing."""

Opened = Callable[..., "Looking"]


class Looking:
    """A page, and all that went wrong on it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda told: self.problems.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        page.on("requestfailed", self._failed)
        page.on("request", lambda request: self.requests.append(request.url))

    def _failed(self, request: Request) -> None:
        if not (
            request.failure == "net::ERR_ABORTED" and request.resource_type == "eventsource"
        ):  # a page was left
            self.problems.append(f"failed: {request.url}: {request.failure}")

    def assert_quiet(self, *allowed: str) -> None:
        """Assert that nothing went wrong, and that nobody was asked for anything but under these addresses."""
        assert self.problems == []
        asked = [url for url in self.requests if not url.startswith(("data:", "blob:", "about:", *allowed))]
        assert asked == []


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, without a screen. Modules that use it have no async tests: Playwright runs a loop in their thread."""
    program = needed.require("chromium")["CHROMIUM"]
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=program,
            args=list(FLAGS),
            proxy={"server": NOBODY, "bypass": "127.0.0.1,localhost"},
        )
        yield made
        made.close()


@pytest.fixture
def looking(browser: Browser) -> Iterator[Opened]:
    """Return what opens an empty page, in a context of its own."""
    contexts = []

    def opened(scheme: str = "light", width: int = 1240) -> Looking:
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})  # type: ignore[arg-type]
        contexts.append(context)
        return Looking(context.new_page())

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store in which the flow with cards has run once."""
    place = tmp_path_factory.mktemp("cards")
    with running(place / ".asyncflow", place / "told"):
        pass
    return place / ".asyncflow"
