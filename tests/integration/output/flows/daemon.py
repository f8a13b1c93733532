"""Leaves a process behind that holds its output open, forked twice, in a session of its own."""

import os
import sys
import time

from asyncflow import FlowSpec, step


class Daemon(FlowSpec):
    @step
    def start(self):
        print("before the daemon")
        sys.stdout.flush()
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            os.setsid()
            if os.fork() == 0:
                os.write(writer, str(os.getpid()).encode())
                while True:
                    time.sleep(1)
            os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        self.daemon = int(os.read(reader, 32))
        print("after the daemon")
        self.next(self.end)

    @step
    def end(self):
        print("the daemon is", self.daemon)


if __name__ == "__main__":
    Daemon()
