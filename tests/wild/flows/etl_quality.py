"""An ETL with checks that branch by a switch: good data goes on, bad data is repaired first."""

import sqlite3

import pandas as pd
from metaflow import FlowSpec, Parameter, environment, step, timeout


class EtlQualityFlow(FlowSpec):
    """Extract, check, repair if need be, load into SQLite."""

    broken = Parameter("broken", help="spoil some rows", default=True)

    @step
    def start(self):
        """Extract."""
        self.orders = pd.DataFrame(
            {
                "id": range(100),
                "price": [10.0 + i for i in range(100)],
                "country": ["de", "fr", "nl", None] * 25,
            }
        )
        if self.broken:
            self.orders.loc[::10, "price"] = float("nan")
        self.next(self.check)

    @timeout(minutes=2)
    @step
    def check(self):
        """Count what is missing."""
        self.missing = self.orders.isna().sum().to_dict()
        self.verdict = "bad" if self.missing["price"] else "good"
        self.next({"good": self.load, "bad": self.repair}, condition="verdict")

    @step
    def repair(self):
        self.orders["price"] = self.orders["price"].interpolate().bfill()
        self.repaired = True
        self.next(self.load)

    @environment(vars={"TABLE": "orders_clean"})
    @step
    def load(self):
        import os

        with sqlite3.connect(":memory:") as db:
            self.orders.fillna({"country": "??"}).to_sql(os.environ["TABLE"], db, index=False)
            query = f"select country, count(*) n, round(sum(price), 2) total from {os.environ['TABLE']} group by 1 order by 1"
            self.by_country = pd.read_sql(query, db)
        self.next(self.end)

    @step
    def end(self):
        self.was_repaired = getattr(self, "repaired", False)
        print(self.by_country.to_string(index=False))
        if hasattr(self, "repaired"):
            print("some prices were repaired")


if __name__ == "__main__":
    EtlQualityFlow()
