"""A flow that the lint finds fault with."""

from asyncflow import FlowSpec, step


class WrongFlow(FlowSpec):
    """Lead nowhere."""

    @step
    def start(self):
        """Lead nowhere."""
        self.next(self.nowhere)

    @step
    def end(self):
        """End."""
