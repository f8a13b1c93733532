"""`asyncflow card view` where it is called, and `card server` where it cannot begin."""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.place import Place


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A store with a run whose steps have cards."""
    root = tmp_path_factory.mktemp("drawn")
    place = Place(root, {"ASYNCFLOW_HOME": str(root / "store"), "COLUMNS": "80"})
    assert place.run("run", place.flow("carded")).code == 0
    return place


def test_a_card_is_drawn_as_plain_lines_where_nobody_looks(done: Place) -> None:
    ended = done.run("card", "view", "1/train/2", "--terminal")

    assert (ended.code, ended.stderr) == (0, "")
    assert "\x1b" not in ended.stdout
    assert all(len(line) <= 80 for line in ended.stdout.splitlines())
    assert "CardedFlow/1/train/2" in ended.stdout
    assert "trained 0" in ended.stdout
    assert "Parameters ───" in ended.stdout


def test_what_is_folded_is_drawn_when_all_is_asked_for(done: Place) -> None:
    short = done.run("card", "view", "1/train/2", "--terminal").stdout
    whole = done.run("card", "view", "1/train/2", "--terminal", "--all").stdout

    assert "folded" in short
    assert "folded" not in whole
    assert len(whole) > len(short)


def test_ascii_is_all_that_is_drawn_with_if_that_is_asked_for(done: Place) -> None:
    ended = Place(done.root, {**done.extra, "ASYNCFLOW_ASCII": "1"}).run(
        "card", "view", "1/train/2", "--terminal"
    )

    assert ended.stdout.isascii()


@pytest.mark.parametrize(("variables", "colours"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_a_terminal_gets_the_card_in_colours_unless_it_wants_none(
    done: Place, variables: dict[str, str], colours: bool
) -> None:
    main, side = pty.openpty()
    line = [sys.executable, "-P", "-m", "asyncflow", "card", "view", "1/train/2"]
    environment = {
        **os.environ,
        "ASYNCFLOW_HOME": str(done.root / "store"),
        "TERM": "xterm-256color",
        **variables,
    }
    if not variables:
        environment.pop("NO_COLOR", None)
    with subprocess.Popen(line, env=environment, stdin=side, stdout=side, stderr=side) as process:
        os.close(side)
        told = _read(main)
        assert process.wait(20) == 0
    os.close(main)

    assert "trained 0" in re.sub(r"\x1b\[[0-9;]*m", "", told)
    assert ("\x1b[" in told) is colours
    assert not re.search(r"\x1b(?!\[[0-9;]*m)", told), "colours, and nothing else that a terminal obeys"


def _read(fd: int) -> str:
    parts: list[bytes] = []
    while select.select([fd], [], [], 20)[0]:
        try:
            part = os.read(fd, 65536)
        except OSError:  # the other side is closed
            break
        if not part:
            break
        parts.append(part)
    return b"".join(parts).decode()


def test_the_server_says_when_it_cannot_begin(done: Place, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])

        ended = done.run("card", "server", "1", "--port", port)

    assert ended.code != 0
    assert f"Port {port} cannot be had: " in ended.stderr
    assert "Traceback" not in ended.stderr
    unknown = done.run("card", "server", "99")
    assert unknown.code != 0
    assert "99" in unknown.stderr
