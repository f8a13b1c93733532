"""A loop in a flow: a step that decides whether to run itself again. Each round is a recorded task of its own.

Data: 569 breast tumours, benign or malignant (UCI "Breast Cancer Wisconsin (Diagnostic)", shipped by scikit-learn).

asyncflow run examples/train_until_good.py
asyncflow run examples/train_until_good.py --good-enough 0.99 --max-rounds 30
"""

from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.model_selection import train_test_split

from asyncflow import FlowSpec, Parameter, step


class TrainUntilGoodFlow(FlowSpec):
    """Add trees to a boosted model until it is good enough, or the rounds are used up."""

    good_enough = Parameter(
        "good-enough", help="Accuracy on the held-out part to reach", type=float, default=0.96
    )
    trees = Parameter("trees", help="Trees added in a round", type=int, default=5)
    max_rounds = Parameter("max-rounds", help="Rounds before it gives up", type=int, default=20)

    @step
    def start(self):
        """Split the data and plant the model."""
        rows, labels = load_breast_cancer(return_X_y=True)
        self.data = train_test_split(rows, labels, test_size=0.3, stratify=labels, random_state=2)
        self.model = GradientBoostingClassifier(n_estimators=0, warm_start=True, random_state=0)
        self.history = []
        self.next(self.train)

    @step
    def train(self):
        """Train one more round, measure, and choose where to go."""
        train_rows, test_rows, train_labels, test_labels = self.data
        self.model.n_estimators += self.trees
        self.model.fit(train_rows, train_labels)
        self.history.append(self.model.score(test_rows, test_labels))
        print(f"{self.model.n_estimators:3d} trees: {self.history[-1]:.2%}")
        self.verdict = self.judge()
        self.next({"again": self.train, "good": self.good, "tired": self.tired}, condition="verdict")

    def judge(self):
        """Say what to do next. A method without @step is just a method."""
        if self.history[-1] >= self.good_enough:
            return "good"
        return "again" if len(self.history) < self.max_rounds else "tired"

    @step
    def good(self):
        """The model is good enough."""
        self.message = f"Good enough after {len(self.history)} rounds: {self.history[-1]:.2%}"
        self.next(self.end)

    @step
    def tired(self):
        """The rounds are used up."""
        self.message = f"Gave up after {len(self.history)} rounds; the best was {max(self.history):.2%}"
        self.next(self.end)

    @step
    def end(self):
        """Say how it went."""
        print(self.message)


if __name__ == "__main__":
    TrainUntilGoodFlow()
