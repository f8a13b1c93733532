"""The backend of docs/backends.md works: it is put together from the page, held to the suite, and runs a flow."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "backends.md"

FLOW = """
from asyncflow import FlowSpec, step
from shed.decorator import shed

class Work(FlowSpec):
    @step
    def start(self):
        self.items = [1, 2, 3]
        self.next(self.work, foreach="items")

    @shed(corner="right")
    @step
    def work(self):
        self.square = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        print("squares", [one.square for one in inputs])
        self.next(self.end)

    @step
    def end(self):
        pass

if __name__ == "__main__":
    Work()
"""


def files_of_the_page() -> dict[str, str]:
    """Return the page's snippets by the names in their first lines."""
    blocks = re.findall(
        r"^```(?:python|toml)\n# (\S+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
    )
    return dict(blocks)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The package of the page, as an installer lays it out."""
    files = files_of_the_page()
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "shed" / "__init__.py").touch()
    package, entry_points = (
        re.search(r'^name = "(.*?)"', files["pyproject.toml"], re.M),
        files["pyproject.toml"],
    )
    entry = re.search(r'^\[project\.entry-points\."(.*?)"\]\n(.*?) = "(.*?)"', entry_points, re.M)
    assert package is not None
    assert entry is not None
    about = tmp_path / "asyncflow_shed-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package[1]}\nVersion: 0.1.0\n")
    (about / "entry_points.txt").write_text(f"[{entry[1]}]\n{entry[2]} = {entry[3]}\n")
    return tmp_path


def run(site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "PYTHONPATH": str(site),
        "SHED_DIRECTORY": str(site / "jobs"),
        "ASYNCFLOW_HOME": str(site / "home"),
    }
    return subprocess.run(
        [sys.executable, *words], cwd=site, env=environment, capture_output=True, text=True, check=False
    )


def test_every_snippet_says_which_file_it_is() -> None:
    fences = re.findall(r"^```\w+$", PAGE.read_text(), re.MULTILINE)
    assert len(files_of_the_page()) == len(fences) == 5


@pytest.mark.wide
@pytest.mark.timeout(180)
def test_the_page_s_backend_keeps_the_contract(site: Path) -> None:
    done = run(
        site, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "asyncio_mode=auto", "test_shed.py"
    )
    assert done.returncode == 0, done.stdout
    assert "29 passed" in done.stdout


@pytest.mark.slow
def test_the_page_s_backend_runs_steps(site: Path) -> None:
    (site / "flow.py").write_text(FLOW)
    done = run(site, "-m", "asyncflow", "run", "flow.py", "--ui", "plain")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "squares [1, 4, 9]" in done.stdout
    assert len(list((site / "jobs").glob("*/1/*/end"))) == 3


@pytest.mark.slow
def test_with_puts_the_page_s_decorator_on_steps_and_checks_it(site: Path) -> None:
    (site / "flow.py").write_text(FLOW.replace('    @shed(corner="right")\n', ""))
    done = run(site, "-m", "asyncflow", "run", "flow.py", "--with", "shed:corner=top", "--ui", "plain")
    assert done.returncode == 2
    assert "corner='top', which is not 'left' or 'right'" in done.stderr
