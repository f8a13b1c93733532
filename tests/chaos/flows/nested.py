"""A foreach in a foreach, with a step before and after the inner one."""

import time

from chaos_journal import begin, end

from asyncflow import FlowSpec, step


class ChaosNested(FlowSpec):
    @step
    def start(self):
        begin()
        self.rows = [3, 1, 4]
        end()
        self.next(self.row, foreach="rows")

    @step
    def row(self):
        begin(self.index)
        self.row_number = self.index
        self.cells = list(range(self.input))
        end(self.index)
        self.next(self.cell, foreach="cells")

    @step
    def cell(self):
        begin(self.row_number, self.index)
        time.sleep(0.02)
        self.value = 10 * self.row_number + self.input
        end(self.row_number, self.index)
        self.next(self.row_join)

    @step
    def row_join(self, inputs):
        begin(self.index)
        self.values = [task.value for task in inputs]
        end(self.index)
        self.next(self.row_done)

    @step
    def row_done(self):
        begin(self.index)
        self.row_total = sum(self.values)
        end(self.index)
        self.next(self.join)

    @step
    def join(self, inputs):
        begin()
        self.table = [task.values for task in inputs]
        self.totals = [task.row_total for task in inputs]
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = (self.table, self.totals)
        end()


if __name__ == "__main__":
    ChaosNested()
