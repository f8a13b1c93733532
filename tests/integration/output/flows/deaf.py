"""Does not listen to SIGTERM or SIGINT, nor does the process it started."""

import signal
import subprocess
import time

from asyncflow import FlowSpec, step


class Deaf(FlowSpec):
    @step
    def start(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        subprocess.Popen(["sleep", "600"])
        print("deaf now", flush=True)
        while True:
            time.sleep(0.1)
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    Deaf()
