"""Users' decorators that are wrong, or do nothing."""

from asyncflow import FlowSpec, UserStepDecorator, step, user_step_decorator


class Nothing(UserStepDecorator):
    pass


@user_step_decorator
def twice(step_name, flow, inputs):
    yield
    yield


@user_step_decorator
def other_error(step_name, flow, inputs):
    try:
        yield
    except ValueError as error:
        raise KeyError("another") from error


class Leaving(UserStepDecorator):
    """Leaves the step out if the flow says so."""

    def pre_step(self, step_name, flow, inputs=None):
        if getattr(flow, "leaves", False):
            self.skip_step = True


class Cases(FlowSpec):
    @Nothing
    @step
    def start(self):
        self.x = 1
        self.next(self.bad)

    @twice
    @step
    def bad(self):
        self.next(self.changes)

    @other_error
    @step
    def changes(self):
        raise ValueError("one")
        self.next(self.left)

    @Leaving
    @step
    def left(self):
        self.was_here = True
        self.next(self.end)

    @step
    def end(self):
        pass
