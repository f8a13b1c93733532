"""The browser that looks at cards runs scripts and takes pictures, without a screen and without the network."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.services.browser import dom_of, picture_of

pytestmark = [pytest.mark.needs("chromium"), pytest.mark.slow]

PAGE = "<title>card</title><p id=p>no</p><script>document.getElementById('p').textContent = 6 * 7</script>"


def test_a_pages_script_has_run_in_what_is_seen(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)

    dom = dom_of(tmp_path / "page.html")

    assert '<p id="p">42</p>' in dom


def test_a_page_can_be_pictured(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(PAGE)

    picture = picture_of((tmp_path / "page.html").as_uri(), tmp_path / "page.png", width=640, height=400)

    data = picture.read_bytes()
    assert data.startswith(b"\x89PNG")
    assert (int.from_bytes(data[16:20]), int.from_bytes(data[20:24])) == (640, 400)


def test_a_page_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises((subprocess.CalledProcessError, FileNotFoundError)):
        dom_of(tmp_path / "nothing.html")
