"""`asyncflow.aio`: the client with `await`, beside a loop that goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from asyncflow import metadata, namespace
from asyncflow.aio import Flow, Metaflow, Run, Task
from asyncflow.client.errors import NoSuchObject
from asyncflow.client.place import default_metadata, default_namespace
from tests.cli.place import Place

FLOW = """
from asyncflow import FlowSpec, step

class AioFlow(FlowSpec):
    @step
    def start(self):
        self.items = list(range(300))
        self.next(self.work, foreach="items")

    @step
    async def work(self):
        self.made = self.input * 2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.made for one in inputs)
        self.next(self.end)

    @step
    def end(self):
        pass
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("aio")
    (root / "aio_flow.py").write_text(FLOW)
    assert Place(root).run("run", "aio_flow.py", "--ui", "none").code == 0
    return root


@pytest.fixture(autouse=True)
def looked_at(store: Path) -> Iterator[None]:
    metadata(str(store))
    namespace(None)
    yield
    default_metadata()
    default_namespace()


async def test_what_is_awaited_is_what_the_client_has() -> None:
    run = await Run.open("AioFlow/1")
    assert (await run.successful, await run.pathspec) == (True, "AioFlow/1")
    assert await run["join"].task.data.total == sum(range(300)) * 2
    assert await run["join"].task["total"].data == sum(range(300)) * 2
    assert await Flow("AioFlow").latest_run.id == "1"
    await run.add_tag("seen")
    assert "seen" in await run.tags


async def test_iterations_are_asynchronous_and_whole() -> None:
    tasks = [task async for task in Run("AioFlow/1")["work"]]
    assert len(tasks) == 300
    made = {await task.data.made for task in tasks}
    assert made == {2 * number for number in range(300)}
    assert [await flow.id async for flow in Metaflow()] == ["AioFlow"]
    assert [await step.id async for step in Run("AioFlow/1")] == ["end", "join", "work", "start"]


async def test_many_at_once_and_the_loop_goes_on() -> None:
    values: dict[int, int] = {}

    async def read(number: int) -> None:
        values[number] = await Task(f"AioFlow/1/work/{number}").data.made

    async with anyio.create_task_group() as group:
        for number in range(2, 102):
            group.start_soon(read, number)
    assert values == {number: 2 * (number - 2) for number in range(2, 102)}


async def test_what_is_not_there_is_told_when_it_is_opened_or_awaited() -> None:
    with pytest.raises(NoSuchObject):
        await Run.open("AioFlow/9")
    missing = Run("AioFlow/9")
    with pytest.raises(NoSuchObject):
        await missing.successful
    with pytest.raises(AttributeError):
        await Run("AioFlow/1").nothing
