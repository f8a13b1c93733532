"""Prints every byte there is, NULs and escape sequences among them, on both streams."""

import sys

from asyncflow import FlowSpec, step

BLOCK = bytes(byte for byte in range(256) if byte not in (10, 13))


class Binary(FlowSpec):
    @step
    def start(self):
        for number in range(50):
            sys.stdout.buffer.write(b"%d:" % number + BLOCK + b"\n")
        sys.stdout.buffer.write(b"\x1b]0;owned\x07\x1b[2J[bold red]no markup[/]\n")
        sys.stdout.flush()
        sys.stderr.buffer.write(b"err\xff\xfe\x00\n")
        sys.stderr.flush()
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Binary()
