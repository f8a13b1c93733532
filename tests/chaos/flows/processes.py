"""Steps that start processes and leave them: a child, a pipeline, a daemon forked twice with no environment."""

import time

from chaos_journal import begin, end, spawn_daemon, spawn_sleeper, spawned

from asyncflow import FlowSpec, step


class ChaosProcesses(FlowSpec):
    @step
    def start(self):
        begin()
        self.items = ["child", "daemon", "both"]
        end()
        self.next(self.spawn, foreach="items")

    @step
    def spawn(self):
        begin(self.index)
        if self.input in ("child", "both"):
            spawned(spawn_sleeper(600), self.index)
        if self.input in ("daemon", "both"):
            spawned(spawn_daemon(600), self.index)
        time.sleep(0.1)
        self.value = len(self.input)
        end(self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        begin()
        self.values = [task.value for task in inputs]
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = self.values
        end()


if __name__ == "__main__":
    ChaosProcesses()
