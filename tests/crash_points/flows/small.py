"""One of each: a start, a foreach of three, one of them failing at first, a join, an end; inlined artifacts and blobs."""

import random

from chaos_journal import begin, end

from asyncflow import FlowSpec, current, retry, step


class Small(FlowSpec):
    @step
    def start(self):
        begin()
        self.items = ["a", "b", "c"]
        self.noise = random.Random(5).randbytes(20_000)
        end()
        self.next(self.work, foreach="items")

    @retry(times=30, minutes_between_retries=0)
    @step
    def work(self):
        begin(self.index)
        if self.index == 1 and current.retry_count == 0:
            raise RuntimeError("fails its first try")
        self.letter = self.input * 3
        end(self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        begin()
        self.letters = [task.letter for task in inputs]
        self.more_noise = random.Random(6).randbytes(20_000)
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = "".join(self.letters)
        end()


if __name__ == "__main__":
    Small()
