"""A foreach over two tasks: one that behaves, and one that does what its name says."""

import asyncio
import os
import subprocess
import sys
import threading
import time

from asyncflow import FlowSpec, Parameter, current, retry, step, timeout


async def forever() -> None:
    await asyncio.sleep(3600)


async def stubborn() -> None:
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass


class Nasty(FlowSpec):
    what = Parameter("what", default="block")

    @step
    async def start(self):
        self.items = ["behave", self.what]
        self.next(self.act, foreach="items")

    @retry(times=1, on=(ConnectionError, KeyError))
    @timeout(seconds=30)
    @step
    async def act(self):
        if current.retry_count == 0:
            await getattr(self, self.input)()
        self.next(self.join)

    async def behave(self):
        await asyncio.sleep(0.05)

    async def block(self):
        time.sleep(1.6)  # noqa: ASYNC251 - blocks

    async def block_in_child(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(self.block())

    async def leak(self):
        asyncio.create_task(forever())  # noqa: RUF006
        await asyncio.sleep(0)

    async def leak_stubborn(self):
        asyncio.create_task(stubborn())  # noqa: RUF006
        await asyncio.sleep(0)

    async def group_to_retry(self):
        raise ExceptionGroup("several", [ConnectionError("one"), ExceptionGroup("inner", [KeyError("two")])])

    async def group_to_fail(self):
        raise ExceptionGroup("several", [ConnectionError("one"), ValueError("two")])

    async def exit(self):
        sys.exit(3)

    async def exit_at_once(self):
        os._exit(3)

    async def child_exits(self):
        async with asyncio.TaskGroup() as group:
            group.create_task(self.exit())

    async def swallow(self):
        print("ready")
        await stubborn()

    async def hold_on(self):
        print("ready")
        while True:
            time.sleep(0.1)  # noqa: ASYNC251

    async def wait(self):
        print("ready")
        await asyncio.sleep(3600)

    async def print_elsewhere(self):
        thread = threading.Thread(target=lambda: print("from a bare thread"))
        thread.start()
        thread.join()
        await asyncio.create_subprocess_exec("echo", "from a program")
        subprocess.run(["echo", "from another program"])  # noqa: ASYNC221

    async def cancel_itself(self):
        asyncio.current_task().cancel()
        await asyncio.sleep(0)

    async def large(self):
        self.big = {number: str(number) for number in range(200_000)}

    @step
    async def join(self, inputs):
        self.sizes = [len(getattr(branch, "big", ())) for branch in inputs]
        self.next(self.end)

    @step
    async def end(self):
        print("ended", self.sizes)


if __name__ == "__main__":
    Nasty()
