"""Steps with users' decorators around them, in every form."""

from asyncflow import (
    USER_SKIP_STEP,
    Config,
    FlowSpec,
    StepMutator,
    UserStepDecorator,
    config_expr,
    step,
    user_step_decorator,
)


@user_step_decorator
def told(step_name, flow, inputs):
    flow.before = [*getattr(flow, "before", []), step_name]
    yield
    flow.after = [*getattr(flow, "after", []), step_name]


@user_step_decorator
def calm(step_name, flow, inputs, attributes):
    try:
        yield
    except ValueError as error:
        flow.calmed = f"{attributes['word']}: {error}"


@user_step_decorator
def skip(step_name, flow, inputs, attributes):
    flow.skipped = step_name
    yield attributes.get("arguments", USER_SKIP_STEP)


class Outer(UserStepDecorator):
    def init(self, name="outer", factor=1):
        self.name, self.factor = name, factor

    def pre_step(self, step_name, flow, inputs=None):
        flow.order = [*getattr(flow, "order", []), f"{self.name} pre"]

    def post_step(self, step_name, flow, exception=None):
        flow.order = [*flow.order, f"{self.name} post"]
        return exception


class Instead(UserStepDecorator):
    def pre_step(self, step_name, flow, inputs=None):
        def other(self, inputs=None):
            self.instead = True
            self.next(self.lost)

        return other


class Swallow(UserStepDecorator):
    def post_step(self, step_name, flow, exception=None):
        flow.swallowed = type(exception).__name__


class Twice(StepMutator):
    def mutate(self, mutable_step):
        mutable_step.add_decorator(Outer, deco_kwargs={"name": "added"})


class WrappedFlow(FlowSpec):
    config = Config("config", default_value={"name": "configured"})

    @told
    @Outer
    @Outer("inner", factor=2)
    @Outer(name=config_expr("config.name"))
    @step
    def start(self):
        self.order = [*self.order, "step"]
        self.items = [1, 2]
        self.next(self.calmed_step)

    @calm(word="calm")
    @step
    def calmed_step(self):
        raise ValueError("storm")
        self.next(self.replaced)

    @Instead
    @step
    def replaced(self):
        self.instead = False
        self.next(self.lost)

    @Swallow
    @Twice
    @step
    def lost(self):
        raise KeyError("gone")
        self.next(self.fan, foreach="items")

    @skip
    @step
    def fan(self):
        self.ran = True
        self.next(self.join)

    @told
    @step
    def join(self, inputs):
        self.merge_artifacts(inputs)
        self.next(self.waits)

    @told
    @Swallow
    @step
    async def waits(self):
        raise RuntimeError("async")
        self.next(self.choose)

    @skip(arguments={"condition": "kind"})
    @step
    def choose(self):
        self.next({"a": self.one, "b": self.two}, condition="kind")

    kind = "b"

    @step
    def one(self):
        self.next(self.end)

    @step
    def two(self):
        self.went = "two"
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    WrappedFlow()
