"""Disks that can be filled, and what a clear error is."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.chaos.commands import Ended, Workplace
from tests.chaos.subject import Reference, Subject

__all__ = ["FLOW", "Disk", "assert_clear", "assert_recovers", "mounted_disk", "run_flow"]

FLOW = Path(__file__).with_name("flows") / "plain.py"
_OUR_FRAME = re.compile(r'File "[^"]*/asyncflow/(?!flow/main)[a-z_/]+\.py", line \d+')


class Disk:
    """A small file system of memory."""

    def __init__(self, path: Path, size: str) -> None:
        self.path = path
        path.mkdir()
        _mount("-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(path))

    def resize(self, size: str) -> None:
        """Make it larger or smaller."""
        _mount("-o", f"remount,size={size}", str(self.path))

    def freeze(self) -> None:
        """Make it read-only."""
        _mount("-o", "remount,ro", str(self.path))

    def thaw(self) -> None:
        """Make it writable again."""
        _mount("-o", "remount,rw", str(self.path))

    def fill(self, *, leave_bytes: int = 0) -> Path:
        """Write a file that leaves so many bytes free. Returns it."""
        ballast = self.path / "ballast"
        room = os.statvfs(self.path)
        with open(ballast, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, room.f_bavail * room.f_frsize - leave_bytes))
        return ballast

    def unmount(self) -> None:
        """Take it away, whoever still uses it."""
        subprocess.run(["umount", "-l", str(self.path)], check=False, timeout=30)


@contextmanager
def mounted_disk(path: Path, size: str) -> Iterator[Disk]:
    """Mount a disk for the length of a test; skip the test where that is not permitted."""
    try:
        disk = Disk(path, size)
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"a tmpfs cannot be mounted here: {error}")
    try:
        yield disk
    finally:
        disk.unmount()


def run_flow(place: Workplace, *args: str) -> Ended:
    """Run the plain flow."""
    return place.run("run", str(FLOW), "--run-id-file", str(place.root / "run-id"), *args)


def assert_clear(ended: Ended, *phrases: str, code: int = 1) -> None:
    """Check that a command failed, said why in words, and showed nothing of its inside."""
    assert ended.code == code, f"exit code {ended.code}\n{ended.text[-3000:]}"
    for phrase in phrases:
        assert re.search(phrase, ended.text), f"{phrase!r} is not said:\n{ended.text[-3000:]}"
    frame = _OUR_FRAME.search(ended.text)
    assert frame is None, f"a traceback of ours: {frame and frame[0]}\n{ended.text[-3000:]}"


def assert_recovers(place: Workplace, expected: Reference, *, after: Ended) -> None:
    """Resume what a fault interrupted, now that it is over; check that nothing was lost."""
    subject = Subject(place, may_fail=True)
    if not subject.find():
        assert run_flow(place).code == 0
        return
    for _ in range(3):
        ended = place.run("resume", str(subject.run))
        if subject.after_end(ended) == "succeeded":
            break
    else:
        raise AssertionError(f"first:\n{after.text[-2000:]}\nthen:\n{ended.text[-3000:]}")
    assert subject.faults(expected) == []


def _mount(*args: str) -> None:
    subprocess.run(["mount", *args], check=True, timeout=30, capture_output=True)
