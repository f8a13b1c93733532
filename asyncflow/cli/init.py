"""`asyncflow init`: a first flow, to run and to change."""

from __future__ import annotations

import os

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.script import Script

__all__ = ["command"]

_FLOW = '''"""A first flow: squares of some numbers, each in a task of its own, and their sum."""

from asyncflow import FlowSpec, Parameter, retry, step


class {name}(FlowSpec):
    """Square numbers side by side, and add them up."""

    count = Parameter("count", default=5, help="How many numbers")

    @step
    def start(self):
        self.numbers = list(range(self.count))
        self.next(self.square, foreach="numbers")

    @retry(times=2)
    @step
    def square(self):
        self.value = self.input**2
        self.next(self.join)

    @step
    def join(self, inputs):
        self.total = sum(each.value for each in inputs)
        self.next(self.end)

    @step
    def end(self):
        print("The sum is", self.total)


if __name__ == "__main__":
    {name}()
'''


def command(script: Script | None = None) -> click.Command:
    """Make the command."""
    return OurCommand(
        name="init",
        params=[
            click.Argument(["file"], default="flow.py", metavar="[FILE]", type=click.Path(dir_okay=False))
        ],
        callback=_init,
        help="Write a first flow.\n\nIt goes to FILE, flow.py if none is named; a file that is there is left alone.",
    )


def _init(file: str) -> None:
    stem = os.path.splitext(os.path.basename(file))[0]
    words = "".join(char if char.isalnum() else " " for char in stem).split()
    name = "".join(word[:1].upper() + word[1:] for word in words)
    if not name.endswith("Flow") or name == "Flow":
        name = "FirstFlow" if name == "Flow" else f"{name}Flow"
    if not name.isidentifier() or not file.endswith(".py"):
        raise CommandError(f"'{file}' is no name for a flow's file", hint="Such as: asyncflow init train.py")
    try:
        with open(file, "x", encoding="utf-8") as opened:
            opened.write(_FLOW.format(name=name))
    except FileExistsError as error:
        raise CommandError(
            f"{file} is there already", hint="Name another file: asyncflow init FILE"
        ) from error
    except OSError as error:
        raise CommandError(
            f"{file} cannot be written: {error.strerror}", hint="Name another file."
        ) from error
    terminal.err(f"Wrote {file}. Run it: asyncflow run {file}")
