"""Runs in real containers: says where it is, needs too much memory once, and prints while it runs."""

import time

from asyncflow import FlowSpec, OutOfMemory, batch, current, retry, step


class InDocker(FlowSpec):
    @step
    def start(self):
        self.next(self.slow, self.large)

    @batch(memory=128)
    @step
    def slow(self):
        print("slow begins", flush=True)
        time.sleep(4)
        print("slow ends", flush=True)
        self.next(self.join)

    @batch(memory=128)
    @retry(times=1, on=OutOfMemory, memory="x4", minutes_between_retries=0)
    @step
    def large(self):
        print("large is tried,", current.retry_count, flush=True)
        self.size = len(bytearray(b"x") * (250 << 20))
        self.next(self.join)

    @step
    def join(self, inputs):
        print("large was", inputs.large.size)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    InDocker()
