"""A hyper-parameter sweep: one task per model, all at the same time, and a join that picks the best.

Data: the 1,797 handwritten digits that scikit-learn ships (UCI "Optical Recognition of Handwritten Digits").

asyncflow run examples/digits_sweep.py
asyncflow run examples/digits_sweep.py --folds 10 --max-workers 2

Each model's task and the last one make a card, which can be watched while they run:

asyncflow card view latest/end
"""

import numpy as np
from PIL import Image as Picture
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import confusion_matrix
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from asyncflow import FlowSpec, Parameter, card, current, step
from asyncflow.cards import Image, Markdown, Metric, ProgressBar, Row, Section, Table, ValueBox, VegaChart

MODELS = {
    "naive Bayes": make_pipeline(StandardScaler(), GaussianNB(var_smoothing=1e-3)),
    "k neighbours, k=3": KNeighborsClassifier(n_neighbors=3),
    "forest of 100": RandomForestClassifier(n_estimators=100, random_state=0),
    **{f"SVM gamma={gamma}": SVC().set_params(gamma=gamma) for gamma in (0.0001, 0.001, 0.01)},
}


class DigitsSweepFlow(FlowSpec):
    """Which classifier reads handwritten digits best?"""

    folds = Parameter("folds", help="Folds of the cross-validation", type=int, default=5)

    @step
    def start(self):
        """Load the data once; the tasks share it by reference."""
        images, labels = load_digits(return_X_y=True)
        split = train_test_split(images, labels, test_size=0.25, stratify=labels, random_state=0)
        self.train_images, self.test_images, self.train_labels, self.test_labels = split
        self.names = list(MODELS)
        self.next(self.train, foreach="names")

    @card
    @step
    def train(self):
        """Cross-validate one model on the training part."""
        self.name_of_model = self.input
        self.model = MODELS[self.input]
        progress, curve = (
            ProgressBar(self.folds, "Cross-validation", unit="folds"),
            Metric("Accuracy", x="fold"),
        )
        current.card.extend([Markdown(f"# {self.input}"), progress, curve])
        scores = []
        folds = StratifiedKFold(self.folds).split(self.train_images, self.train_labels)
        with threadpool_limits(1):  # one core a task, as tasks run side by side
            for fold, (fit, held) in enumerate(folds, start=1):
                self.model.fit(self.train_images[fit], self.train_labels[fit])
                scores.append(self.model.score(self.train_images[held], self.train_labels[held]))
                curve.add(scores[-1], fold)
                progress.update(fold)
                current.card.refresh()
        self.score = np.mean(scores)
        self.next(self.choose)

    @step
    def choose(self, inputs):
        """Take the model with the best score."""
        self.ranking = sorted(((task.score, task.name_of_model) for task in inputs), reverse=True)
        self.model = max(inputs, key=lambda task: task.score).model
        self.merge_artifacts(inputs, exclude=["score", "name_of_model"])
        self.next(self.end)

    @card
    @step
    def end(self):
        """Fit the best on all training data and judge it by digits nobody has seen."""
        for score, name in self.ranking:
            print(f"{score:7.2%}  {name}")
        curve = Metric("Accuracy on unseen digits", x="digits it has learnt from")
        current.card.extend([Markdown(f"# Best: {self.ranking[0][1]}"), curve])
        for count in np.linspace(50, len(self.train_labels), 12).astype(int):
            self.model.fit(self.train_images[:count], self.train_labels[:count])
            self.accuracy = self.model.score(self.test_images, self.test_labels)
            curve.add(self.accuracy, count)
            current.card.refresh()
        current.card.extend(self.report())
        print(
            f"Best: {self.ranking[0][1]}, accuracy {self.accuracy:.2%} on {len(self.test_labels)} unseen digits"
        )

    def report(self):
        """Return what the card shows once the model is fitted."""
        read = self.model.predict(self.test_images)
        wrong = np.flatnonzero(read != self.test_labels)
        matrix = confusion_matrix(self.test_labels, read)
        ranking = Table(
            [[name, f"{score:.2%}"] for score, name in self.ranking], headers=["model", "accuracy"]
        )
        yield Row(
            ValueBox("accuracy", f"{self.accuracy:.2%}", "on digits nobody has seen", theme="success"),
            ValueBox("misread", len(wrong), f"of {len(read)}"),
            ValueBox("models tried", len(self.ranking)),
        )
        yield Row(
            Section("Which digits are taken for which", VegaChart(heatmap(matrix))),
            Section("Models", ranking),
        )
        if len(wrong):
            yield Section("Misread", Row(*(misread(self.test_images[at], read[at]) for at in wrong[:8])))


def heatmap(matrix):
    """Return a chart of a confusion matrix."""
    cells = [
        {"digit": digit, "read as": other, "times": int(times)}
        for digit, row in enumerate(matrix)
        for other, times in enumerate(row)
    ]
    return {
        "data": {"values": cells},
        "width": 300,
        "height": 300,
        "encoding": {
            "x": {"field": "read as", "type": "ordinal", "axis": {"labelAngle": 0}},
            "y": {"field": "digit", "type": "ordinal"},
        },
        "layer": [
            {
                "mark": "rect",
                "encoding": {
                    "color": {
                        "field": "times",
                        "type": "quantitative",
                        "scale": {"type": "sqrt", "scheme": "blues"},
                    }
                },
            },
            {
                "transform": [{"filter": "datum.times > 0"}],
                "mark": {"type": "text", "fontSize": 10},
                "encoding": {
                    "text": {"field": "times"},
                    "color": {"condition": {"test": "datum.times > 12", "value": "white"}, "value": "#234"},
                },
            },
        ],
    }


def misread(pixels, read):
    """Return a picture of a digit, with what it was taken for."""
    grey = (255 - pixels.reshape(8, 8) * 15.9).astype("uint8")
    return Image.from_pil_image(
        Picture.fromarray(grey).resize((96, 96), Picture.Resampling.NEAREST), f"read as {read}"
    )


if __name__ == "__main__":
    DigitsSweepFlow()
