"""Nested foreach: data sets times hyper-parameters, the best of each, the best of all."""

from itertools import product

from metaflow import FlowSpec, Parameter, current, resources, step
from sklearn.datasets import load_iris, load_wine
from sklearn.model_selection import cross_val_score
from sklearn.tree import DecisionTreeClassifier

SETS = {"iris": load_iris, "wine": load_wine}


class GridSearchFlow(FlowSpec):
    folds = Parameter("folds", default=3)
    depths = (1, 2, 4)
    leaves = (1, 5)

    @step
    def start(self):
        self.names = sorted(SETS)
        self.next(self.load, foreach="names")

    @step
    def load(self):
        self.name_of_set = self.input
        self.x, self.y = SETS[self.input](return_X_y=True)
        self.grid = [{"max_depth": d, "min_samples_leaf": n} for d, n in product(self.depths, self.leaves)]
        self.next(self.evaluate, foreach="grid")

    @resources(cpu=1, memory=500)
    @step
    def evaluate(self):
        tree = DecisionTreeClassifier(random_state=0, **self.input)
        self.score = float(cross_val_score(tree, self.x, self.y, cv=self.folds).mean())
        self.setting = self.input
        stack = self.foreach_stack()
        self.where = [(index, width) for index, width, _ in stack]
        print(current.pathspec, self.where, round(self.score, 3))
        self.next(self.best_of_set)

    @step
    def best_of_set(self, inputs):
        best = max(inputs, key=lambda inp: inp.score)
        self.best = (best.name_of_set, best.setting, best.score)
        self.tried = len(list(inputs))
        self.next(self.best_of_all)

    @step
    def best_of_all(self, inputs):
        self.results = {inp.best[0]: inp.best[1:] for inp in inputs}
        self.tried = sum(inp.tried for inp in inputs)
        self.next(self.end)

    @step
    def end(self):
        for name, (setting, score) in self.results.items():
            print(f"{name:6s} {score:.3f} {setting}")


if __name__ == "__main__":
    GridSearchFlow()
