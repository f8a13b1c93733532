"""`Runner.spin`, and the options that a `Runner` takes in front of the command."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import pytest

from asyncflow import Runner, RunnerError

FLOW = """
from asyncflow import Config, FlowSpec, Parameter, current, project, step


@project(name="spun")
class SpunFlow(FlowSpec):
    settings = Config("settings", default_value={"rate": 2})
    count = Parameter("count", default=3)

    @step
    def start(self):
        self.total = self.settings.rate * self.count
        self.branch = current.branch_name
        self.next(self.end)

    @step
    def end(self):
        self.doubled = self.total * 2
"""


@pytest.fixture
def flow(tmp_path: Path) -> Path:
    (tmp_path / ".asyncflow").mkdir(mode=0o700)
    (tmp_path / "spun.py").write_text(FLOW)
    return tmp_path / "spun.py"


def test_one_step_is_run_again_and_its_task_can_be_looked_at(flow: Path) -> None:
    with Runner(flow, show_output=False, cwd=flow.parent) as one:
        done = one.run(count=4)
        (flow.parent / "other.py").write_text("ARTIFACTS = {'total': 100}\n")
        spun = one.spin(f"{done.id}/end")
        other = one.spin("end", artifacts_module="other.py", persist=True)
        assert (spun.status, spun.task.data.doubled, other.task.data.doubled) == ("successful", 16, 200)
        assert spun.task.path_components[-2] == "end"
        with pytest.raises(RunnerError, match="no step"):
            one.spin(f"{done.id}/nowhere")
        with pytest.raises(ValueError, match="spin takes no 'tags'"):
            one.spin("end", tags=["x"])


async def test_it_can_be_awaited_and_other_code_of_the_step_runs(flow: Path) -> None:
    async with Runner(flow, show_output=False, cwd=flow.parent) as one:
        await (await one.async_run()).wait()
        await anyio.to_thread.run_sync(flow.write_text, FLOW.replace("* 2\n", "* 3\n"))
        spun = await one.async_spin("end")
        await spun.wait()
        assert spun.task.data.doubled == 18


def test_configs_the_branch_a_place_and_files_are_given_as_to_metaflows(flow: Path, tmp_path: Path) -> None:
    elsewhere, said = tmp_path / "elsewhere", tmp_path / "id.txt"
    said.write_text("999")
    with Runner(
        flow,
        show_output=False,
        cwd=flow.parent,
        config_value=[("settings", {"rate": 10})],
        branch="trial",
        datastore_root=str(elsewhere),
    ) as one:
        done = one.run(count=2, max_log_size=10, user_namespace="user:ada", run_id_file="id.txt")
        assert (done.run.data.total, done.run.data.branch) == (20, "test.trial")
        assert said.read_text() == str(done.id)
        assert (elsewhere / "asyncflow.db").exists()
        assert one.resume(origin_run_id=done.id).run.data.total == 20
