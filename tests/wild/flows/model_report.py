"""Compare models and put what was found on cards: text, tables, plots, progress."""

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from metaflow import FlowSpec, Parameter, card, current, step
from metaflow.cards import Artifact, Image, Markdown, ProgressBar, Table, VegaChart
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def bars(scores):
    figure, axes = plt.subplots(figsize=(4, 2))
    axes.bar(list(scores), list(scores.values()))
    axes.set_ylim(0, 1)
    return figure


class ModelReportFlow(FlowSpec):
    """Which model knows wines best?"""

    folds = Parameter("folds", default=3)

    @card
    @step
    def start(self):
        wine = load_wine(as_frame=True)
        self.frame = wine.frame
        self.features = list(wine.data.columns)
        self.names = list(wine.target_names)
        self.kinds = ["logistic", "forest"]
        current.card.append(Markdown("# The data"))
        current.card.append(Table.from_dataframe(self.frame.describe().round(2)))
        self.next(self.fit, foreach="kinds")

    @card(type="blank", id="progress")
    @card(type="blank", id="matrix")
    @step
    def fit(self):
        self.kind = self.input
        progress = ProgressBar(max=self.folds, label="folds")
        current.card["progress"].append(progress)
        model = {
            "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
            "forest": lambda: RandomForestClassifier(n_estimators=30, random_state=0),
        }[self.kind]()
        x, y = self.frame[self.features], self.frame["target"]
        predicted = cross_val_predict(model, x, y, cv=self.folds)
        for fold in range(self.folds):
            progress.update(fold + 1)
            current.card["progress"].refresh()
        self.score = float(np.mean(predicted == y))
        matrix = confusion_matrix(y, predicted)
        current.card["matrix"].append(Markdown(f"## {self.kind}: {self.score:.3f}"))
        rows = [[Markdown(f"**{name}**"), *map(int, row)] for name, row in zip(self.names, matrix)]
        current.card["matrix"].append(Table(rows, headers=["", *self.names]))
        self.next(self.join)

    @card
    @step
    def join(self, inputs):
        self.scores = {one.kind: one.score for one in inputs}
        self.best = max(self.scores, key=self.scores.get)
        current.card.extend([Markdown(f"# Best: {self.best}"), Artifact(self.scores)])
        current.card.append(Image.from_matplotlib(bars(self.scores)))
        data = pd.DataFrame({"model": list(self.scores), "score": list(self.scores.values())})
        chart = {
            "data": {"values": data.to_dict("records")},
            "mark": "bar",
            "encoding": {
                "x": {"field": "model", "type": "nominal"},
                "y": {"field": "score", "type": "quantitative"},
            },
        }
        current.card.append(VegaChart(chart))
        self.next(self.end)

    @step
    def end(self):
        print("best:", self.best, self.scores)


if __name__ == "__main__":
    ModelReportFlow()
