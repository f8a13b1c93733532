"""A hyper-parameter sweep: one task per model, all at the same time, and a join that picks the best.

Data: the 1,797 handwritten digits that scikit-learn ships (UCI "Optical Recognition of Handwritten Digits").

asyncflow run examples/digits_sweep.py
asyncflow run examples/digits_sweep.py --folds 10 --max-workers 2
"""

from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_limits

from asyncflow import FlowSpec, Parameter, step

MODELS = {
    "logistic C=0.1": make_pipeline(StandardScaler(), LogisticRegression(C=0.1)),
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

    @step
    def train(self):
        """Cross-validate one model on the training part."""
        self.name_of_model = self.input
        self.model = MODELS[self.input]
        with threadpool_limits(1):  # one core a task, as tasks run side by side
            scores = cross_val_score(self.model, self.train_images, self.train_labels, cv=self.folds)
        self.score = scores.mean()
        self.next(self.choose)

    @step
    def choose(self, inputs):
        """Take the model with the best score."""
        self.ranking = sorted(((task.score, task.name_of_model) for task in inputs), reverse=True)
        self.model = max(inputs, key=lambda task: task.score).model
        self.merge_artifacts(inputs, exclude=["score", "name_of_model"])
        self.next(self.end)

    @step
    def end(self):
        """Fit the best on all training data and judge it by digits nobody has seen."""
        for score, name in self.ranking:
            print(f"{score:7.2%}  {name}")
        self.model.fit(self.train_images, self.train_labels)
        self.accuracy = self.model.score(self.test_images, self.test_labels)
        print(
            f"Best: {self.ranking[0][1]}, accuracy {self.accuracy:.2%} on {len(self.test_labels)} unseen digits"
        )


if __name__ == "__main__":
    DigitsSweepFlow()
