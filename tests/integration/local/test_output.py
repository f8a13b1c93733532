"""What tasks print, however they print it, is in their logs; and no way of printing makes the run hang."""

from __future__ import annotations

import os
import resource

import anyio
import pytest

from asyncflow.errors import StoreError
from asyncflow.machine.facts import WorkerReported
from asyncflow.machine.outcome import Succeeded
from asyncflow.store.layout import log_path
from tests.contract.backend_suite import Bench
from tests.contract.local_bench import RUN
from tests.integration.local.support import log_of


async def run(bench: Bench, step: str) -> bytes:
    """Run a step that must succeed; return what came on stdout."""
    attempt = await bench.launch(step)
    end = (await bench.until_ended(attempt))[-1]
    assert isinstance(end, WorkerReported), end
    assert isinstance(end.outcome, Succeeded), end
    return bench.sink.text(attempt)


async def test_a_silent_task_has_no_log_file(bench: Bench, root: str) -> None:
    await run(bench, "silent")
    with pytest.raises(FileNotFoundError):
        os.stat(log_path(root, RUN, 1, 0))


@pytest.mark.parametrize("step", ["close_descriptor_1", "close_sys_stdout"])
async def test_a_step_that_closes_its_output_goes_on(bench: Bench, step: str) -> None:
    assert await run(bench, step) == b"before\n"


async def test_what_was_printed_before_stdout_was_replaced_is_kept(bench: Bench, root: str) -> None:
    await run(bench, "replace_stdout")
    (line,) = log_of(root, bench.spec("replace_stdout").attempt)
    assert (line.text, line.is_whole) == (b"no newline", False)


async def test_bytes_that_are_no_text_are_kept_as_they_are(bench: Bench, root: str) -> None:
    shown = await run(bench, "print_binary")
    expected = b"\xff\xfe\0binary\r\n\x1b[31mred\n\n\nend without newline"
    assert shown == expected + b"\n"
    lines = log_of(root, bench.spec("print_binary").attempt)
    stdout = [line for line in lines if line.stream == "stdout"]
    assert b"\n".join(line.text for line in stdout) == expected
    assert [line.is_whole for line in stdout] == [True, True, True, True, False]
    assert [line.text for line in lines if line.stream == "stderr"] == [b"\x80"]


async def test_a_character_that_cannot_be_encoded_fails_no_step(bench: Bench) -> None:
    assert await run(bench, "print_surrogate") == b"odd \\ud800 character\n"


async def test_two_hundred_thousand_lines_arrive_whole_and_in_order(bench: Bench, root: str) -> None:
    shown = await run(bench, "print_many")
    assert shown == b"".join(b"line %d\n" % number for number in range(200_000))
    lines = log_of(root, bench.spec("print_many").attempt)
    assert [line.text for line in lines] == shown.splitlines()
    stamps = [line.at for line in lines]
    assert stamps == sorted(stamps)
    assert all(len(text) < 200_000 for _, _, text in bench.sink.taken)


async def test_a_very_long_line_is_kept_in_pieces(bench: Bench, root: str) -> None:
    await run(bench, "print_long_line")
    lines = log_of(root, bench.spec("print_long_line").attempt)
    assert b"".join(line.text + b"\n" * line.is_whole for line in lines) == b"x" * 300_000 + b"\nshort\n"
    assert max(len(line.text) for line in lines) <= 2 << 16


async def test_threads_and_exit_functions_have_their_say(bench: Bench) -> None:
    assert await run(bench, "finish_late") == b"from a thread\nfrom atexit\n"


async def test_stdin_is_empty(bench: Bench) -> None:
    assert await run(bench, "read_stdin") == b"read ''\n"


async def test_a_step_has_the_environment_it_was_decorated_with(bench: Bench) -> None:
    assert await run(bench, "tell_environment") == b"as told\n"


async def test_a_step_finds_signals_and_session_as_a_program_does(bench: Bench) -> None:
    assert await run(bench, "tell_signals") == b"True\n" * 4


async def test_a_report_too_long_for_a_message_is_read_from_the_manifest(bench: Bench) -> None:
    attempt = await bench.launch("make_many_artifacts")
    end = (await bench.until_ended(attempt))[-1]
    assert isinstance(end, WorkerReported)
    assert len(end.outcome.artifacts) == 4_000


async def test_a_sink_that_is_not_ready_makes_the_task_wait_and_nothing_is_lost(bench: Bench) -> None:
    bench.sink.ready = anyio.Event()
    attempt = await bench.launch("print_much")
    await bench.until_started(attempt)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with anyio.move_on_after(0.5):
        await bench.until_ended(attempt)
    bench._stream = None
    held = len(bench.sink.text(attempt))
    assert held < 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak < 20_000
    bench.sink.ready.set()
    await bench.until_ended(attempt)
    assert bench.sink.text(attempt) == b"0123456789abcdef\n" * 400_000


async def test_a_log_that_cannot_be_written_stops_the_driver(bench: Bench, root: str) -> None:
    os.makedirs(log_path(root, RUN, 1, 0))
    attempt = await bench.launch("print_many")
    with pytest.raises(StoreError, match="The log of attempt 0 of task 1 could not be written"):
        await bench.until_ended(attempt)
