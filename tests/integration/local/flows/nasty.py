"""Steps that do to their process what a step should not do, or print what nobody expects."""

import atexit
import io
import os
import signal
import subprocess
import sys
import threading
import time

from asyncflow import FlowSpec, step


def note(pid):
    """Tell a test which process to look for."""
    print(f"pid {pid}", flush=True)


def daemon(seconds, env=None):
    """Fork twice into a session of its own, with no environment, holding the task's stdout."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        grandchild = os.fork()
        if grandchild == 0:
            os.execve(
                sys.executable, [sys.executable, "-S", "-c", f"import time; time.sleep({seconds})"], env or {}
            )
        os.write(writer, str(grandchild).encode())
        os._exit(0)
    os.waitpid(child, 0)
    return int(os.read(reader, 32))


class Nasty(FlowSpec):
    @step
    def start(self):
        self.next(self.end)

    @step
    def silent(self):
        self.next(self.end)

    @step
    def leave_daemon(self):
        note(daemon(600))
        self.next(self.end)

    @step
    def leave_children(self):
        note(subprocess.Popen(["sleep", "600"]).pid)
        note(subprocess.Popen(["sleep", "600"], start_new_session=True).pid)
        if not (pid := os.fork()):
            time.sleep(600)
        note(pid)
        self.next(self.end)

    @step
    def leave_and_sleep(self):
        note(os.getpid())
        note(daemon(600))
        note(subprocess.Popen(["sleep", "600"]).pid)
        if not (pid := os.fork()):
            os.setsid()
            time.sleep(600)
        note(pid)
        print("ready", flush=True)
        time.sleep(600)
        self.next(self.end)

    @step
    def talk_on(self):
        note(os.getpid())
        print("ready", flush=True)
        while True:
            time.sleep(0.005)
            print("and another thing")
        self.next(self.end)

    @step
    def leave_and_crash(self):
        note(daemon(600))
        os.kill(os.getpid(), signal.SIGUSR1)
        time.sleep(600)
        self.next(self.end)

    @step
    def close_descriptor_1(self):
        print("before")
        os.close(1)
        os.close(2)
        self.next(self.end)

    @step
    def close_sys_stdout(self):
        print("before")
        sys.stdout.close()
        sys.stderr.close()
        self.next(self.end)

    @step
    def replace_stdout(self):
        sys.stdout.write("no newline")
        sys.stdout = io.StringIO()
        self.next(self.end)

    @step
    def print_binary(self):
        os.write(1, b"\xff\xfe\0binary\r\n\x1b[31mred\n" + b"\n\n" + b"end without newline")
        os.write(2, b"\x80\n")
        self.next(self.end)

    @step
    def print_surrogate(self):
        print("odd \ud800 character")
        self.next(self.end)

    @step
    def print_many(self):
        for number in range(100_000):
            print("line", number)
        os.write(1, b"".join(b"line %d\n" % number for number in range(100_000, 200_000)))
        self.next(self.end)

    @step
    def print_long_line(self):
        os.write(1, b"x" * 300_000 + b"\nshort\n")
        self.next(self.end)

    @step
    def print_much(self):
        for _ in range(400):
            os.write(1, b"0123456789abcdef\n" * 1000)
        self.next(self.end)

    @step
    def finish_late(self):
        atexit.register(print, "from atexit")
        threading.Thread(target=lambda: (time.sleep(0.1), print("from a thread"))).start()
        self.next(self.end)

    @step
    def read_stdin(self):
        print("read", repr(sys.stdin.read()))
        self.next(self.end)

    @step
    def tell_environment(self):
        print(os.environ.get("FROM_DECORATOR"))
        self.next(self.end)

    @step
    def tell_signals(self):
        print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)
        print(signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL)
        print(signal.pthread_sigmask(signal.SIG_BLOCK, []) == set())
        print(os.getpgid(0) == os.getpid())
        self.next(self.end)

    @step
    def make_many_artifacts(self):
        for number in range(4_000):
            setattr(self, f"name_{'of_great_length_' * 40}{number}", number)
        self.next(self.end)

    @step
    def swallow_stop(self):
        class Swallows:
            def __del__(self):
                print("ready", flush=True)
                time.sleep(600)

        Swallows()
        time.sleep(600)
        self.next(self.end)

    @step
    def end(self):
        pass
