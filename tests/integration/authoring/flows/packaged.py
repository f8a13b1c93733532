"""A flow whose step asks for packages."""

from asyncflow import FlowSpec, pypi, step


class PackagedFlow(FlowSpec):
    """Ask for a package."""

    @pypi(packages={"numpy": "1.26.4"}, python="3.11")
    @step
    def start(self):
        """Do nothing with it."""
        self.next(self.end)

    @step
    def end(self):
        """End."""


if __name__ == "__main__":
    PackagedFlow()
