"""Exit hooks are called when a run has ended, and change nothing of it."""

from __future__ import annotations

import json
import time
from pathlib import Path

import anyio
import psutil
import pytest

from asyncflow import DecoratorError, Engine, exit_hook
from asyncflow.flow.decorators.hooks import exit_hooks_of
from tests.cli.place import Place

FLOW = str(Path(__file__).parent / "flows" / "hooked.py")


def is_running(pid: int) -> bool:
    """Say whether there is such a process; one that was killed and that nobody has reaped is none."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_hooks_of_a_run_that_succeeded_are_called_in_order_and_a_broken_one_harms_nothing(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    ended = place.run("run", FLOW)
    assert ended.code == 0, ended.stderr
    assert (tmp_path / "noted").read_text() == "note HookedFlow/1 succeeded True\nplain None\n"
    assert "noted it" in ended.stdout
    assert "ValueError: the hook is broken" in ended.stderr
    assert "Exit hook broken failed. The run is as it was." in ended.stderr


def test_hooks_of_a_run_that_failed_are_called_and_one_that_takes_too_long_is_ended_with_its_children(
    tmp_path: Path,
) -> None:
    place = Place(tmp_path)
    ended = place.run("run", FLOW, "--is_broken", "true")
    assert ended.code == 1
    assert (tmp_path / "noted").read_text() == "note HookedFlow/1 failed False\nplain None\n"
    assert "Exit hook slow took more than 1 s and was killed" in ended.stderr
    assert not any(is_running(int(pid)) for pid in (tmp_path / "pids").read_text().split())
    resumed = place.run("resume", "1")
    assert resumed.code == 1
    assert "HookedFlow/2 failed" in (tmp_path / "noted").read_text()


def test_what_hooks_print_stays_out_of_the_events_of_json(tmp_path: Path) -> None:
    ended = Place(tmp_path).run("run", FLOW, "--ui", "json")
    assert all(json.loads(line) for line in ended.stdout.splitlines())
    assert "noted it" in ended.stderr


async def test_an_engine_calls_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with Engine(tmp_path / "store") as engine:
        run = await engine.start(FLOW)
        await run.wait()
        assert engine.runs() == []
        noted = tmp_path / "noted"
        until = time.monotonic() + 20
        while not (noted.exists() and "plain" in noted.read_text()):
            assert time.monotonic() < until
            await anyio.sleep(0.02)
    assert noted.read_text().startswith("note HookedFlow/1 succeeded True\n")


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"on_success": ["tell"]},
        {"on_error": [print], "options": {"timeout": 0}},
        {"on_error": [print], "options": {"retries": 3}},
    ],
)
def test_a_hook_that_is_none_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(DecoratorError, match="@exit_hook"):
        exit_hook(**given)  # type: ignore[arg-type]


def test_a_flow_inherits_the_hooks_of_its_base() -> None:
    @exit_hook(on_success=[print])
    class Base:
        pass

    @exit_hook(on_error=[repr])
    class Derived(Base):
        pass

    assert len(exit_hooks_of(Base)) == 1
    assert len(exit_hooks_of(Derived)) == 2
