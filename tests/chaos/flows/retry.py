"""Steps that fail at first and are tried again; a killed attempt is one more failure, and there are tries enough."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, current, retry, step


class ChaosRetry(FlowSpec):
    @retry(times=40, minutes_between_retries=0)
    @step
    def start(self):
        begin()
        self.items = [0, 1, 2, 3]
        end()
        self.next(self.flaky, foreach="items")

    @retry(times=40, minutes_between_retries=0)
    @step
    def flaky(self):
        begin(self.index)
        time.sleep(0.03)
        if current.retry_count < self.index:
            raise RuntimeError(f"item {self.index} fails its try {current.retry_count}")
        self.value = self.input * 7
        end(self.index)
        self.next(self.join)

    @retry(times=40, minutes_between_retries=0)
    @step
    def join(self, inputs):
        begin()
        self.values = [task.value for task in inputs]
        end()
        self.next(self.end)

    @retry(times=40, minutes_between_retries=0)
    @step
    def end(self):
        begin()
        self.result = self.values
        end()


if __name__ == "__main__":
    ChaosRetry()
