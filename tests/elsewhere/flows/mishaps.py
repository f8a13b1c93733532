"""One step for each thing that may happen to a job. Run with `--with batch`."""

import time

from asyncflow import FlowSpec, OutOfMemory, batch, catch, retry, step, timeout


class Mishaps(FlowSpec):
    @step
    def start(self):
        self.next(self.reclaimed, self.too_big, self.no_image, self.ended, self.too_long)

    @batch(memory=128)
    @catch(var="trouble")
    @step
    def reclaimed(self):
        time.sleep(2)
        self.next(self.join)

    @batch(memory=128)
    @retry(times=1, on=OutOfMemory, memory="x2", minutes_between_retries=0)
    @catch(var="trouble")
    @step
    def too_big(self):
        time.sleep(2)
        self.next(self.join)

    @batch(memory=128)
    @catch(var="trouble")
    @step
    def no_image(self):
        self.next(self.join)

    @batch(memory=128)
    @catch(var="trouble")
    @step
    def ended(self):
        time.sleep(120)
        self.next(self.join)

    @batch(memory=128)
    @timeout(seconds=60)
    @catch(var="trouble")
    @step
    def too_long(self):
        time.sleep(120)
        self.next(self.join)

    @step
    def join(self, inputs):
        for one in inputs:
            print("trouble:", str(one.trouble).strip().rpartition("\n")[2])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Mishaps()
