"""A flow whose task shows what it is told to, until it is told to end."""

import os
import time

from asyncflow import FlowSpec, card, current, step
from asyncflow.cards import Markdown, Metric, ProgressBar


class CardedFlow(FlowSpec):
    """Shows a card that grows."""

    @card
    @card(id="second")
    @step
    def start(self) -> None:
        """Show the lines of the file that TOLD names, as they come."""
        curve, bar = Metric("loss", x="epoch"), ProgressBar(10, "lines")
        current.card["second"].append(Markdown("# The other card"))
        current.card.extend([Markdown("# What is told"), bar, curve])
        told = 0
        while True:
            with open(os.environ["TOLD"]) as file:
                lines = file.read().splitlines()
            for line in lines[told:]:
                told += 1
                curve.add(1 / told, told)
                bar.update(told)
                current.card.append(Markdown(line))
                current.card.refresh()
            if "end" in lines:
                break
            time.sleep(0.01)
        self.next(self.end)

    @step
    def end(self) -> None:
        pass


if __name__ == "__main__":
    CardedFlow()
