import asyncio
import os
import time

from asyncflow import FlowSpec, Parameter, card, catch, current, step
from asyncflow.cards import Log, Markdown, Metric, ProgressBar, Table


class CardedFlow(FlowSpec):
    """Makes cards."""

    rate = Parameter("rate", default=0.5, help="How fast.")
    fail = Parameter("fail", default=False, type=bool)
    wait = Parameter("wait", default="")

    @card
    @card(type="blank", id="table", options={"title": "Just a table"})
    @step
    def start(self):
        self.numbers = list(range(3))
        self.note = "<script>alert(1)</script>"
        current.card.append(Markdown("# How it *went*"))
        current.card["table"].append(Table([["a", 1]], headers=["name", "n"]))
        print("this was printed")
        self.next(self.train, foreach="numbers")

    @card
    @step
    async def train(self):
        curve = Metric("loss", x="epoch")
        current.card.append(curve, id="curve")
        current.card.append(Log())
        for epoch in range(5):
            curve.add(1 / (epoch + 1))
            current.card.refresh()
            await asyncio.sleep(0)
        print(f"trained {self.input}")
        self.next(self.join)

    @step
    def join(self, inputs):
        self.next(self.live)

    @card
    @step
    def live(self):
        bar = ProgressBar(10, "waiting")
        current.card.append(bar, id="bar")
        if self.wait:
            bar.update(5)
            current.card.refresh()
            while not os.path.exists(self.wait):
                time.sleep(0.005)
        bar.update(10)
        self.next(self.end)

    @catch(var="failure", print_exception=False)
    @card
    @step
    def end(self):
        current.card.append("before it failed")
        if self.fail:
            raise ValueError("a <bad> end")


if __name__ == "__main__":
    CardedFlow()
