"""One task sleeps and watches what its ancestors, the zygote and the scheduler, use of the processor meanwhile."""

import os
import time

from asyncflow import FlowSpec, Parameter, step


def parent_of(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return int(stat.read().rpartition(")")[2].split()[1])


def cpu_of(pid):
    """Nanoseconds on a processor, of all threads."""
    total = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/schedstat") as schedstat:
            total += int(schedstat.read().split()[0])
    return total


class IdleFlow(FlowSpec):
    seconds = Parameter("seconds", type=float, default=20.0)

    @step
    def start(self):
        ancestors = [os.getppid(), parent_of(os.getppid())]
        time.sleep(0.5)
        before = sum(cpu_of(pid) for pid in ancestors)
        time.sleep(self.seconds)
        print(f"IDLE_CPU_S {(sum(cpu_of(pid) for pid in ancestors) - before) / 1e9:.6f}")
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    IdleFlow()
