"""A step that runs past its timeout, ignoring what it can, and one that ends in time."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, catch, retry, step, timeout


class ChaosTimeout(FlowSpec):
    @retry(times=40, minutes_between_retries=0)
    @step
    def start(self):
        begin()
        end()
        self.next(self.slow, self.quick)

    @catch(var="failure", print_exception=False)
    @timeout(seconds=1)
    @step
    def slow(self):
        begin()
        while True:
            time.sleep(0.05)
        self.next(self.join)

    @retry(times=40, minutes_between_retries=0)
    @timeout(seconds=30)
    @step
    def quick(self):
        begin()
        time.sleep(0.05)
        self.value = "in time"
        end()
        self.next(self.join)

    @retry(times=40, minutes_between_retries=0)
    @step
    def join(self, inputs):
        begin()
        self.slow_failed = bool(inputs.slow.failure)
        self.quick_value = inputs.quick.value
        end()
        self.next(self.end)

    @retry(times=40, minutes_between_retries=0)
    @step
    def end(self):
        begin()
        self.result = (self.slow_failed, self.quick_value)
        end()


if __name__ == "__main__":
    ChaosTimeout()
