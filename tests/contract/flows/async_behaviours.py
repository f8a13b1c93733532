"""The same steps as in behaviours.py, as coroutines that share a worker."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from asyncflow import FlowSpec, step


class AsyncBehaviours(FlowSpec):
    @step
    def start(self):
        self.next(self.succeed)

    @step
    async def succeed(self):
        self.value = 42
        self.next(self.end)

    @step
    async def fail(self):
        raise ValueError("this step fails")

    @step
    async def speak(self):
        print("to stdout")
        print("to stderr", file=sys.stderr)
        self.next(self.end)

    @step
    async def sleep(self):
        await asyncio.sleep(600)
        self.next(self.end)

    @step
    async def ignore_signals(self):
        print("ready")
        while True:
            try:
                await asyncio.sleep(600)
            except asyncio.CancelledError:
                pass
        self.next(self.end)

    @step
    async def exit_3(self):
        os._exit(3)

    @step
    async def kill_itself(self):
        os.kill(os.getpid(), signal.SIGKILL)
        await asyncio.sleep(600)
        self.next(self.end)

    @step
    async def count(self):
        with open(Path(os.environ["COUNT_FILE"]), "a") as file:  # noqa: ASYNC230
            file.write("ran\n")
        await asyncio.sleep(0.2)
        self.next(self.end)

    @step
    async def end(self):
        pass
