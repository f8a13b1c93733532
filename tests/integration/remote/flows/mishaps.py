"""A flow in which each branch ends in another way, as its names say."""

import os
import signal
import sys
import time

from asyncflow import FlowSpec, Parameter, catch, current, retry, step, timeout


def journal(line: str) -> None:
    """Note that something has been done."""
    with open(os.environ["JOURNAL"], "a") as file:
        file.write(f"{line}\n")


class MishapsFlow(FlowSpec):
    """Everything that goes wrong here is caught or tried again."""

    @step
    def start(self):
        self.next(self.flaky, self.raises, self.exits, self.killed, self.slow)

    @retry(times=2, minutes_between_retries=0)
    @step
    def flaky(self):
        journal(f"flaky {current.retry_count}")
        if current.retry_count < 2:
            raise RuntimeError("not yet")
        self.tries = current.retry_count + 1
        self.next(self.join)

    @catch(var="problem", print_exception=False)
    @step
    def raises(self):
        self.value = {}["what is missing"]
        self.next(self.join)

    @catch(var="problem", print_exception=False)
    @step
    def exits(self):
        sys.exit(3)
        self.next(self.join)

    @retry(times=1, minutes_between_retries=0)
    @step
    def killed(self):
        journal(f"killed {current.retry_count}")
        if current.retry_count == 0:
            print("about to be killed", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        self.next(self.join)

    @catch(var="problem", print_exception=False)
    @timeout(seconds=1)
    @step
    def slow(self):
        time.sleep(60)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.problems = {
            name: str(getattr(inputs, name).problem)[-200:] for name in ("raises", "exits", "slow")
        }
        self.tries = inputs.flaky.tries
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    MishapsFlow()
