"""A flow with every kind of step that can be spun."""

from asyncflow import (
    FlowSpec,
    Parameter,
    catch,
    current,
    environment,
    parallel,
    retry,
    step,
    user_step_decorator,
)


@user_step_decorator
def noisy(step_name, flow, inputs=None, attributes=None):
    print("before", step_name)
    yield


class SpunFlow(FlowSpec):
    factor = Parameter("factor", default=2)

    @step
    def start(self):
        self.items = ["a", "bb", "ccc"]
        self.next(self.work, foreach="items")

    @retry(times=2)
    @catch(var="problem")
    @noisy
    @step
    def work(self):
        self.made = len(self.input) * self.factor
        self.where = (self.index, current.step_name, current.retry_count)
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(one.made for one in inputs)
        self.next(self.split)

    @step
    def split(self):
        self.next(self.gang, num_parallel=2)

    @parallel
    @step
    def gang(self):
        self.next(self.after)

    @step
    def after(self, inputs):
        self.total = inputs[0].total
        self.next(self.end)

    @environment(vars={"MODE": "fast"})
    @step
    def end(self):
        import os

        self.mode = os.environ.get("MODE")


if __name__ == "__main__":
    SpunFlow()
