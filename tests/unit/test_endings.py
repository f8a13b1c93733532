"""The end of a process."""

from __future__ import annotations

import subprocess
import sys


def end(code: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", f"from asyncflow.endings import end_process\n{code}"], capture_output=True
    )


def test_a_process_ends_with_the_code_and_without_taking_objects_apart() -> None:
    done = end("class A:\n def __del__(self): print('gone', flush=True)\na = A()\nend_process(3)")
    assert (done.returncode, done.stdout, done.stderr) == (3, b"", b"")


def test_what_is_printed_is_written_out() -> None:
    done = end("import sys\nsys.stdout.write('out')\nsys.stderr.write('err')\nend_process(0)")
    assert (done.stdout, done.stderr) == (b"out", b"err")


def test_threads_are_waited_for_and_functions_registered_with_atexit_are_called_after_them() -> None:
    done = end(
        "import atexit, threading, time\n"
        "atexit.register(print, 'registered')\n"
        "def work():\n time.sleep(0.05)\n print('thread')\n"
        "threading.Thread(target=work).start()\n"
        "end_process(0)"
    )
    assert done.stdout.split() == [b"thread", b"registered"]


def test_a_function_that_fails_is_told_and_does_not_change_the_code() -> None:
    done = end("import atexit\natexit.register(lambda: 1 / 0)\nend_process(4)")
    assert done.returncode == 4
    assert b"ZeroDivisionError" in done.stderr


def test_closed_and_missing_streams_do_no_harm() -> None:
    assert end("import sys\nsys.stdout.close()\nsys.stderr = None\nend_process(5)").returncode == 5


def test_a_reader_that_has_left_does_no_harm() -> None:
    reader = "import os, sys\nread, write = os.pipe()\nos.close(read)\nos.dup2(write, 1)\n"
    done = end(f"{reader}sys.stdout = open(1, 'w')\nsys.stdout.write('more')\nend_process(6)")
    assert (done.returncode, done.stderr) == (6, b"")
