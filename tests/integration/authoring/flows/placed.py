"""A flow whose tasks say where they are, with the client's own objects."""

from asyncflow import FlowSpec, current, get_namespace, parallel, step, trigger_on_finish


@trigger_on_finish(flow="ProjectedFlow")
class PlacedFlow(FlowSpec):
    @step
    def start(self):
        self.run = current.run.pathspec
        self.task = current.task.pathspec
        self.here = current.pathspec
        self.namespaces = (current.namespace, get_namespace())
        self.started_by = [one.name for one in current.trigger] if "trigger" in current else None
        self.upstream = current.trigger.run.data.told if self.started_by else None
        self.in_gang = (current.is_parallel, "parallel" in current)
        self.next(self.work, num_parallel=3)

    @parallel
    @step
    def work(self):
        self.gang = tuple(current.parallel)
        self.own = current.task_id
        self.is_gang = current.is_parallel
        self.next(self.join)

    @step
    def join(self, inputs):
        self.gangs = [tuple(one.gang) for one in inputs]
        self.own = [one.own for one in inputs]
        self.is_gang = all(one.is_gang for one in inputs)
        self.merge_artifacts(inputs, exclude=["gang", "own", "is_gang"])
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    PlacedFlow()
