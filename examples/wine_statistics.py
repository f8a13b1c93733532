"""Three branches look at the same table at the same time; a join writes one report.

Data: 178 wines from three Italian cultivars, thirteen measurements each (UCI "Wine", public; the CSV file that
scikit-learn ships). `--file` takes another CSV file with a header and a column `target`.

asyncflow run examples/wine_statistics.py
"""

import io
from importlib.resources import files

import pandas as pd
from sklearn.datasets import load_wine

from asyncflow import FlowSpec, Parameter, step


def shipped_csv():
    """Return the wine data as CSV text with a header; the shipped file has only counts in its first line."""
    _, _, rows = (files("sklearn.datasets.data") / "wine_data.csv").read_text().partition("\n")
    features, _ = load_wine(return_X_y=True, as_frame=True)
    return ",".join([*pd.DataFrame(features).columns, "target"]) + "\n" + rows


class WineStatisticsFlow(FlowSpec):
    """What tells the three cultivars apart?"""

    file = Parameter(
        "file", help="CSV file with a column `target`; the shipped wine data if left out", default=""
    )

    @step
    def start(self):
        """Read the table."""
        self.table = pd.read_csv(self.file or io.StringIO(shipped_csv()))
        self.next(self.describe, self.separate, self.correlate)

    @step
    def describe(self):
        """Summarise each column."""
        columns = self.table.drop(columns="target")
        self.summary = columns.agg(["mean", "std", "min", "max"]).T
        self.next(self.report)

    @step
    def separate(self):
        """Measure how well each column tells the groups apart: variance between groups over variance within."""
        groups = self.table.groupby("target")
        between = groups.transform("mean").var()
        within = (self.table.drop(columns="target") - groups.transform("mean")).var()
        self.separation = (between / within).sort_values(ascending=False)
        self.next(self.report)

    @step
    def correlate(self):
        """Find the pair of columns that say almost the same."""
        matrix = self.table.drop(columns="target").corr()
        pairs = [(matrix.loc[a, b], a, b) for i, a in enumerate(matrix) for b in list(matrix)[:i]]
        self.strongest = max(pairs, key=lambda pair: abs(pair[0]))
        self.next(self.report)

    @step
    def report(self, inputs):
        """Join: the inputs come in the order of self.next, and by name."""
        r, left, right = inputs.correlate.strongest
        best = inputs.separate.separation
        self.lines = [
            f"{len(inputs.describe.table)} wines, {len(inputs.describe.summary)} measurements",
            f"Alcohol is {inputs.describe.summary.loc['alcohol', 'mean']:.2f} % on average"
            if "alcohol" in inputs.describe.summary.index
            else "No alcohol in here",
            f"{best.index[0]} tells the groups apart best (ratio {best.iloc[0]:.2f}), {best.index[-1]} worst",
            f"{left} and {right} go together most (r = {r:.2f})",
        ]
        self.next(self.end)

    @step
    def end(self):
        """Show the report."""
        print("\n".join(self.lines))


if __name__ == "__main__":
    WineStatisticsFlow()
