"""One step for each thing that may happen to a pod."""

import time

from asyncflow import FlowSpec, OutOfMemory, catch, kubernetes, retry, step


class PodMishaps(FlowSpec):
    @step
    def start(self):
        self.next(self.reclaimed, self.too_big, self.no_image, self.ended)

    @kubernetes(memory=128)
    @catch(var="trouble")
    @step
    def reclaimed(self):
        time.sleep(2)
        self.next(self.join)

    @kubernetes(memory=128)
    @retry(times=1, on=OutOfMemory, memory="x2", minutes_between_retries=0)
    @catch(var="trouble")
    @step
    def too_big(self):
        time.sleep(2)
        self.next(self.join)

    @kubernetes(memory=128, image="missing:1")
    @catch(var="trouble")
    @step
    def no_image(self):
        self.next(self.join)

    @kubernetes(memory=128)
    @catch(var="trouble")
    @step
    def ended(self):
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
    PodMishaps()
