"""Steps that end in every way there is. A suite launches each of them by name; `self.next` leads nowhere in particular."""

import os
import signal
import sys
import time
from pathlib import Path

from asyncflow import FlowSpec, step


class Behaviours(FlowSpec):
    @step
    def start(self):
        self.next(self.succeed)

    @step
    def succeed(self):
        self.value = 42
        self.next(self.end)

    @step
    def fail(self):
        raise ValueError("this step fails")

    @step
    def speak(self):
        print("to stdout")
        print("to stderr", file=sys.stderr)
        self.next(self.end)

    @step
    def sleep(self):
        time.sleep(600)
        self.next(self.end)

    @step
    def clean_up(self):
        print("ready")
        try:
            time.sleep(600)
        finally:
            print("cleaned up")
        self.next(self.end)

    @step
    def ignore_signals(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("ready")
        time.sleep(600)
        self.next(self.end)

    @step
    def exit_3(self):
        os._exit(3)

    @step
    def kill_itself(self):
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
        self.next(self.end)

    @step
    def count(self):
        with open(Path(os.environ["COUNT_FILE"]), "a") as file:
            file.write("ran\n")
        time.sleep(0.2)
        self.next(self.end)

    @step
    def end(self):
        pass
