"""Steps whose failure is caught; a killed attempt is caught as well, by a fallback attempt."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, catch, retry, step


class ChaosCatch(FlowSpec):
    @retry(times=40, minutes_between_retries=0)
    @step
    def start(self):
        begin()
        self.items = [2, 1, 0, 1]
        end()
        self.next(self.divide, foreach="items")

    @retry(times=40, minutes_between_retries=0)
    @step
    def divide(self):
        begin(self.index)
        time.sleep(0.02)
        self.quotient = 10 // max(1, self.input)
        end(self.index)
        self.next(self.fail)

    @catch(var="failure", print_exception=False)
    @step
    def fail(self):
        begin(self.index)
        time.sleep(0.03)
        raise ValueError("on purpose")
        self.next(self.join)

    @retry(times=40, minutes_between_retries=0)
    @step
    def join(self, inputs):
        begin()
        self.quotients = [task.quotient for task in inputs]
        self.caught = [bool(task.failure) for task in inputs]
        end()
        self.next(self.end)

    @retry(times=40, minutes_between_retries=0)
    @step
    def end(self):
        begin()
        self.result = (self.quotients, self.caught)
        end()


if __name__ == "__main__":
    ChaosCatch()
