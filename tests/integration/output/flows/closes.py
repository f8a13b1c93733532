"""Closes its output in every way there is, and goes on working."""

import os
import sys
import time

from asyncflow import FlowSpec, step


class Closes(FlowSpec):
    @step
    def start(self):
        print("before the close")
        sys.stdout.flush()
        os.close(1)
        os.close(2)
        time.sleep(0.2)
        self.way = "descriptors"
        self.next(self.objects)

    @step
    def objects(self):
        print("before closing the objects")
        sys.stdout.close()
        sys.stderr.close()
        self.way = "objects"
        self.next(self.replaced)

    @step
    def replaced(self):
        print("before going nowhere")
        sys.stdout = sys.stderr = None
        self.way = "nothing"
        self.next(self.all_descriptors)

    @step
    def all_descriptors(self):
        print("before closing files one did not open", flush=True)
        os.closerange(0, 3)
        os.open("/dev/null", os.O_RDWR)
        self.way = "reopened"
        self.next(self.end)

    @step
    def end(self):
        print("still here after", self.way)


if __name__ == "__main__":
    Closes()
