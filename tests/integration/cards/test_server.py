"""The card server in a real browser: a card that grows on the page, and nobody else who sees it."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.integration.cards.conftest import Opened
from tests.integration.cards.running import running, serving

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]

CUSTOM = '''
from asyncflow import FlowSpec, card, step
from asyncflow.cards import MetaflowCard


class OwnCard(MetaflowCard):
    type = "own"

    def render(self, task):
        return """<body><p id=p>made by hand</p><script>
            document.querySelector("#p").textContent = "its script ran";
            fetch("%s").then(() => document.body.append("REACHED")).catch(() => document.body.append("refused"));
            try { parent.document.title = "REACHED"; } catch (error) { document.body.append(" alone"); }
        </script></body>"""


class CustomFlow(FlowSpec):
    @card(type="own")
    @step
    def start(self):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    CustomFlow()
'''


def test_a_card_grows_on_the_page_while_its_task_runs(looking: Opened, tmp_path: Path) -> None:
    home = tmp_path / ".asyncflow"
    with running(home, tmp_path / "told") as told, serving(home, "latest") as server:
        look = looking("dark")
        page = look.page

        # The page of the run leads to the card of its task.
        page.goto(server.url)
        page.wait_for_selector("#link[data-state='connected']")
        page.click("#board .tasks a")
        page.wait_for_selector("text=the first thing")
        page.wait_for_selector("h1 .live")
        page.wait_for_selector("#link[data-state='connected']")
        look.requests.clear()

        # What the task shows next is seen at once; what was unfolded or scrolled stays; the page has asked nothing.
        page.evaluate("document.querySelector('main details').open = false")
        page.evaluate("window.same = document.querySelector('main section')")
        said = told.say("something new")
        page.wait_for_selector("text=something new")
        assert time.monotonic() - said < 2
        assert page.evaluate("document.querySelector('main section') === window.same")
        assert page.evaluate("document.querySelector('main details').open") is False
        assert look.requests == []

        # The other card of the task.
        page.click(".cards a >> nth=1")
        page.wait_for_selector("text=The other card")
        page.click(".cards a >> nth=0")
        page.wait_for_selector("text=something new")

        # In the end it is whole, and the page knows that finished.
        told.say("end")
        page.wait_for_selector(".top .is-succeeded")
        page.wait_for_selector("h1 .live", state="detached")
        page.wait_for_selector("#link[data-state='finished']")
        assert page.locator("text=something new").count() > 0
        look.assert_quiet(server.base)


def test_a_page_is_told_when_the_server_ends(looking: Opened, tmp_path: Path) -> None:
    home = tmp_path / ".asyncflow"
    with running(home, tmp_path / "told"), serving(home) as server:
        look = looking()
        look.page.goto(server.url)
        look.page.click("#board .tasks a")
        look.page.wait_for_selector("#link[data-state='connected']")

        began = time.monotonic()
        code = server.end()

        assert code == 0
        assert time.monotonic() - began < 10
        look.page.wait_for_selector("#link[data-state='server ended']")
        look.assert_quiet(server.base)


def ask(url: str, path: str | None = None, method: str = "GET", **headers: str) -> int:
    """Return the status of an answer to a path as it is, unlike browsers and libraries would have it."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.putrequest(method, path or parts.path, skip_host="Host" in headers)
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders()
        return connection.getresponse().status
    finally:
        connection.close()


def test_nobody_is_answered_who_does_not_know_the_address(home: Path) -> None:
    with serving(home, "1") as server:
        base = urlsplit(server.base).path
        assert ask(server.url) == 200

        # Another name for this machine, as a page elsewhere would have it by DNS rebinding.
        assert ask(server.url, Host="evil.example") == 421
        assert ask(server.url, Host="evil.example:80") == 421
        # Another page's script.
        assert ask(server.url, Origin="http://evil.example") == 403
        assert ask(server.url, Origin="null") == 403
        assert ask(server.url, Sec_Fetch_Site="cross-site", Sec_Fetch_Mode="no-cors") == 403
        # No token, another, or a part of it.
        for path in ("/", "/1/", "/live.js", f"/{'x' * 22}/1/", f"{base[:-3]}/1/"):
            assert ask(server.url, path) == 404, path
        # Only what is there; only reading.
        for path in (
            "2/",
            "1/start/1/9/",
            "1/nowhere/1/0/",
            "1/start/77/0/",
            "1/start/99999999999999999/0/",
            "",
        ):
            assert ask(server.url, base + path) == 404, path
        for path in (
            "../../etc/passwd",
            "%2e%2e/%2e%2e/etc/passwd",
            "1/start/1/0/../../../../pages.py",
            "guard.py",
        ):
            assert ask(server.url, base + path) == 404, path
        assert ask(server.url, method="POST") == 405


def test_a_page_made_by_a_custom_card_runs_alone_and_reaches_nothing(looking: Opened, tmp_path: Path) -> None:
    home = tmp_path / ".asyncflow"
    flow = tmp_path / "custom.py"
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home)}
    flow.write_text(CUSTOM.replace("%s", "/"))
    line = [sys.executable, "-P", "-m", "asyncflow", "run", str(flow)]
    subprocess.run(line, env=environment, check=True, capture_output=True, timeout=60)
    with serving(home, "latest") as server:
        look = looking()

        look.page.goto(f"{server.url}start/1/0/")

        frame = look.page.frame_locator("iframe.whole")
        frame.locator("text=its script ran").wait_for()
        frame.locator("text=refused").wait_for()
        text = frame.locator("body").inner_text()
        assert "REACHED" not in text
        assert "alone" in text
        assert look.page.title() != "REACHED"

        # Its address opens itself, and nothing else of the server's.
        own = look.page.locator("iframe.whole").get_attribute("src")
        assert own is not None
        token = own.split("/")[1]
        assert token != server.base.split("/")[3]
        assert ask(server.url, own) == 200
        assert ask(server.url, own.removesuffix("custom")) == 404
        assert ask(server.url, f"/{token}/live.js") == 404


def test_a_notebook_shows_a_card_in_a_frame_of_its_own(looking: Opened, home: Path, tmp_path: Path) -> None:
    code = (
        "from asyncflow.cards import get_cards; from asyncflow import namespace; namespace(None)\n"
        "from asyncflow.client.cards import plain_card; from asyncflow import Task\n"
        "import sys; task = Task(sys.argv[1]); print(plain_card(task)._repr_html_())"
    )
    environment = {**os.environ, "ASYNCFLOW_HOME": str(home)}
    line = [sys.executable, "-P", "-c", code, "CardedFlow/1/start/1"]
    shown = subprocess.run(
        line, env=environment, check=True, capture_output=True, text=True, timeout=60
    ).stdout
    notebook = tmp_path / "notebook.html"
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'"
    notebook.write_text(
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><h1>A notebook</h1>{shown}'
    )
    look = looking()

    look.page.goto(notebook.as_uri())

    frame = look.page.frame_locator("iframe")
    frame.locator("text=Parameters").or_(frame.locator("h1")).first.wait_for()
    assert "start" in frame.locator("h1").inner_text()
    size = frame.locator("h1").evaluate("one => getComputedStyle(one).fontSize")
    assert re.fullmatch(r"2\dpx", size), "the card's own style sheet holds in the frame"
    look.assert_quiet("file://")
