"""A foreach over sixty coroutines that share a worker, and a join that is one, too."""

import asyncio

from chaos_journal import begin, end

from asyncflow import FlowSpec, step


class ChaosAsyncWide(FlowSpec):
    @step
    async def start(self):
        begin()
        self.items = [f"item-{number}" for number in range(60)]
        end()
        self.next(self.work, foreach="items")

    @step
    async def work(self):
        begin(self.index)
        await asyncio.sleep(0.005 * (1 + self.index % 20))
        self.square = self.index**2
        self.name_of_item = self.input
        print(f"item {self.index} is done")
        end(self.index)
        self.next(self.join)

    @step
    async def join(self, inputs):
        begin()
        self.total = sum(task.square for task in inputs)
        self.names = [task.name_of_item for task in inputs]
        end()
        self.next(self.end)

    @step
    def end(self):
        begin()
        self.result = (self.total, self.names)
        end()


if __name__ == "__main__":
    ChaosAsyncWide()
