"""What users' tests of their flows stand on: run_step, run_flow, the fixture."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from asyncflow.errors import AsyncflowError, UserError
from asyncflow.testing import FlowFailed, run_flow, run_flow_sync, run_step, run_step_sync
from tests.unit.testing.flows.under_test import LaterFlow, OrderFlow, StoringFlow, ThreadFlow, make_local_flow


async def test_one_step_is_run_with_what_it_is_given() -> None:
    done = await run_step(OrderFlow.each, inputs={"items": [1]}, params={"factor": 3}, item="q", index=4)
    assert done.said == "4q4q4q"
    assert done["items"] == [1]
    assert (done.next, done.index, done.factor) == (("gather",), 4, 3)
    assert "said" in done
    with pytest.raises(AttributeError, match=r"left no artifact 'nothing'; it left .*said"):
        done.nothing  # noqa: B018


async def test_where_a_step_goes_on_to_is_told() -> None:
    start = await run_step(OrderFlow.start)
    assert (start.next, start.items, start.width) == (("work", "aside"), None, None)
    split = await run_step(OrderFlow.work, inputs=start.artifacts)
    assert (split.next, split.items, split.width) == (("each",), ["a", "b", "c"], 3)
    loop = await run_step(OrderFlow.loop, inputs={"rounds": 2})
    assert (loop.next, loop.chosen, loop.rounds) == (("loop", "ready"), "ready", 3)
    assert (await run_step(OrderFlow.end)).next == ()


async def test_a_join_is_given_its_branches_in_a_list_or_by_step() -> None:
    gathered = await run_step(OrderFlow.gather, inputs=[{"said": "x"}, {"said": "y"}])
    assert gathered.all == ["x", "y"]
    branches = {"ready": {"rounds": 5, "items": [1]}, "gather": {"all": ["z"], "items": [1]}}
    joined = await run_step(OrderFlow.both, inputs=branches)
    assert (joined.total, joined["items"]) == ((["z"], 5), [1])
    assert (await run_step(OrderFlow.gather, inputs=[])).all == []
    with pytest.raises(UserError, match="No branch of join both comes from a step 'start'"):
        await run_step(OrderFlow.both, inputs={"start": {}})
    with pytest.raises(UserError, match="is a join"):
        await run_step(OrderFlow.both)
    with pytest.raises(UserError, match="is no join"):
        await run_step(OrderFlow.each, inputs=[{}])


async def test_what_a_step_raises_is_raised_whatever_its_decorators() -> None:
    with pytest.raises(ConnectionError, match="try 1"):
        await run_step(OrderFlow.each, params={"flaky": 9}, item="a", retry_count=1)
    with pytest.raises(ZeroDivisionError):
        await run_step(OrderFlow.aside, params={"factor": 0})
    with pytest.raises(AsyncflowError, match="flaky"):
        await run_step(OrderFlow.each, params={"flaky": "many"}, item="a")


async def test_an_artifact_that_cannot_be_stored_fails_as_in_a_run() -> None:
    with pytest.raises(AsyncflowError, match="lock"):
        await run_step(StoringFlow.start)


def test_a_step_is_run_without_a_loop_and_in_this_thread() -> None:
    done = run_step_sync(ThreadFlow.start)
    assert done.thread == threading.get_ident()
    assert run_step_sync(OrderFlow.aside).rounds == 0


def test_a_step_of_a_class_that_cannot_be_found_says_how_to_name_it() -> None:
    class HiddenFlow(OrderFlow):
        pass

    LocalFlow = make_local_flow()
    with pytest.raises(UserError, match="Of which flow"):
        run_step_sync(LocalFlow.start)
    assert run_step_sync(LocalFlow.start, flow=LocalFlow).x == 1
    assert run_step_sync(HiddenFlow.each, flow=HiddenFlow, item="a").said == "0a0a"
    assert "extra" in run_step_sync(LaterFlow.start, flow=LaterFlow)


async def test_a_whole_flow_is_run_with_retries_that_take_no_time() -> None:
    done = await run_flow(OrderFlow, {"flaky": 2})
    assert done.status == "succeeded"
    assert done.data["items"] == ["a", "b", "c"]
    [both] = done["both"]
    assert both.total == (["0a0a", "1b1b", "2c2c"], 3)
    assert [task.attempts for task in done["each"]] == [3, 3, 3]
    assert [type(error) for error in done.errors] == [ConnectionError] * 6
    assert done.steps.count("loop") == 3


async def test_a_failure_that_is_caught_is_seen_in_the_result() -> None:
    done = await run_flow(OrderFlow, {"factor": 0})
    [aside] = done["aside"]
    assert aside.problem.type == "builtins.ZeroDivisionError"
    assert done.status == "succeeded"


async def test_a_flow_that_fails_raises_from_what_the_step_raised() -> None:
    with pytest.raises(FlowFailed, match="ConnectionError: try 3") as caught:
        await run_flow(OrderFlow, {"flaky": 9})
    assert isinstance(caught.value.__cause__, ConnectionError)
    failed = await run_flow(OrderFlow, {"flaky": 9}, may_fail=True)
    assert failed.status == "failed"
    with pytest.raises(LookupError, match="end step"):
        failed.data  # noqa: B018
    with pytest.raises(AttributeError, match="no artifact 'total'"):
        failed.total  # noqa: B018


def test_a_flow_is_run_the_same_each_time_and_leaves_nothing() -> None:
    before = sorted(Path("/dev/shm").glob("asyncflow-test-*"))
    assert run_flow_sync(OrderFlow).steps == run_flow_sync(OrderFlow).steps
    assert sorted(Path("/dev/shm").glob("asyncflow-test-*")) == before


def test_pytest_gives_a_store_of_its_own_to_each_test(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(
        "import os, subprocess, sys\n"
        "def test_it(asyncflow_store):\n"
        "    assert os.environ['ASYNCFLOW_HOME'] == str(asyncflow_store)\n"
        "    flow = 'from asyncflow import FlowSpec, step\\nclass F(FlowSpec):\\n    @step\\n    def start(self):\\n"
        "        self.x = 1\\n        self.next(self.end)\\n    @step\\n    def end(self):\\n        pass\\n'\n"
        "    (asyncflow_store.parent / 'f.py').write_text(flow)\n"
        "    command = [sys.executable, '-m', 'asyncflow', 'run', str(asyncflow_store.parent / 'f.py')]\n"
        "    subprocess.run(command, check=True)\n"
        "    from asyncflow import Flow, namespace\n"
        "    namespace(None)\n"
        "    assert Flow('F').latest_run.data.x == 1\n"
        "    assert asyncflow_store.is_dir()\n"
    )
    # By its module, as a checkout that is not installed has no entry points.
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncflow", "-p", "asyncflow.testing.plugin"]
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
