"""Monthly sales by region, a foreach over regions, plots as PNG bytes."""

import io

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from metaflow import FlowSpec, JSONType, Parameter, step


class SalesReportFlow(FlowSpec):
    regions = Parameter("regions", type=JSONType, default='["north", "south", "west"]')
    months = Parameter("months", default=12)

    @step
    def start(self):
        rng = np.random.default_rng(1)
        dates = pd.date_range("2025-01-01", periods=30 * self.months, freq="D")
        frames = [
            pd.DataFrame({"date": dates, "region": region, "amount": rng.gamma(2.0, 50 + 20 * i, len(dates))})
            for i, region in enumerate(self.regions)
        ]
        self.sales = pd.concat(frames, ignore_index=True)
        self.next(self.summarize, foreach="regions")

    @step
    def summarize(self):
        self.region = self.input
        own = self.sales[self.sales.region == self.region]
        self.monthly = own.set_index("date")["amount"].resample("MS").sum()
        figure, axis = plt.subplots(figsize=(4, 2))
        self.monthly.plot(ax=axis, title=self.region)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=60)
        plt.close(figure)
        self.plot = buffer.getvalue()
        self.next(self.join)

    @step
    def join(self, inputs):
        self.table = pd.DataFrame({inp.region: inp.monthly for inp in inputs})
        self.plots = {inp.region: inp.plot for inp in inputs}
        self.merge_artifacts(inputs, include=["sales"])
        self.next(self.end)

    @step
    def end(self):
        self.total = float(self.table.to_numpy().sum())
        self.best_month = str(self.table.sum(axis=1).idxmax().date())
        assert all(plot.startswith(b"\x89PNG") for plot in self.plots.values())
        print(self.table.describe().round(1).to_string())


if __name__ == "__main__":
    SalesReportFlow()
