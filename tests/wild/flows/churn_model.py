"""Predict churn: load, clean, three models side by side, pick the best, report."""

import json
from io import StringIO

import numpy as np
import pandas as pd
from metaflow import FlowSpec, IncludeFile, Parameter, catch, current, project, retry, step


def random_customers(n, seed):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "months": rng.integers(1, 72, n),
            "fee": rng.normal(60, 20, n).round(2),
            "calls": rng.poisson(2, n),
            "plan": rng.choice(["basic", "plus", "pro"], n),
        }
    )
    risk = 0.03 * frame["calls"] * 10 - 0.02 * frame["months"] + (frame["plan"] == "basic") * 0.5
    frame["churned"] = (risk + rng.normal(0, 0.4, n) > 0.2).astype(int)
    return frame


@project(name="churn")
class ChurnModelFlow(FlowSpec):
    """Which customers leave?"""

    rows = Parameter("rows", help="how many customers to make up", default=600, type=int)
    seed = Parameter("seed", default=7)
    test_share = Parameter("test-share", default=0.25, type=float)
    settings = IncludeFile(
        "settings", help="model settings as JSON", default="churn_settings.json", required=False
    )

    @step
    def start(self):
        """Load the data."""
        self.raw = random_customers(self.rows, self.seed)
        self.config = json.loads(self.settings) if self.settings else {}
        print(f"{current.flow_name} run {current.run_id} of {current.username}: {len(self.raw)} rows")
        self.next(self.clean)

    @retry(times=2)
    @step
    def clean(self):
        from sklearn.model_selection import train_test_split

        frame = pd.get_dummies(self.raw, columns=["plan"], drop_first=True)
        frame = frame[(frame["fee"] > 0)].reset_index(drop=True)
        features = frame.drop(columns="churned")
        self.columns = list(features.columns)
        split = train_test_split(
            features.to_numpy(dtype=float),
            frame["churned"].to_numpy(),
            test_size=self.test_share,
            random_state=self.seed,
        )
        self.x_train, self.x_test, self.y_train, self.y_test = split
        self.next(self.logistic, self.forest, self.boosted)

    @step
    def logistic(self):
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        options = self.config.get("logistic", {})
        self.model = make_pipeline(StandardScaler(), LogisticRegression(**options)).fit(
            self.x_train, self.y_train
        )
        self.label = "logistic"
        self.next(self.choose)

    @step
    def forest(self):
        from sklearn.ensemble import RandomForestClassifier

        options = self.config.get("forest", {})
        self.model = RandomForestClassifier(random_state=self.seed, **options).fit(self.x_train, self.y_train)
        self.label = "forest"
        self.next(self.choose)

    @catch(var="boosted_failure")
    @step
    def boosted(self):
        from sklearn.ensemble import GradientBoostingClassifier

        self.model = None
        self.label = "boosted"
        self.model = GradientBoostingClassifier(**self.config.get("boosted", {})).fit(
            self.x_train, self.y_train
        )
        self.next(self.choose)

    @step
    def choose(self, inputs):
        from sklearn.metrics import roc_auc_score

        self.scores = {}
        best = None
        for inp in inputs:
            if inp.model is None:
                print(f"{inp.label} failed: {inp.boosted_failure}")
                continue
            probability = inp.model.predict_proba(inp.x_test)[:, 1]
            self.scores[inp.label] = float(roc_auc_score(inp.y_test, probability))
            if best is None or self.scores[inp.label] > self.scores[best.label]:
                best = inp
        self.best, self.model = best.label, best.model
        self.merge_artifacts(inputs, exclude=["label", "boosted_failure"])
        self.next(self.end)

    @step
    def end(self):
        out = StringIO()
        pd.Series(self.scores).sort_values(ascending=False).to_csv(out)
        self.report = out.getvalue()
        print(self.report)
        print("best:", self.best, "on", current.project_flow_name)


if __name__ == "__main__":
    ChurnModelFlow()
