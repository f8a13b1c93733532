"""Forecast demand each night: secrets, own decorators, a mutator, an exit hook, nested foreach, a switch."""

import os
import time
from collections import namedtuple

import numpy as np
import pandas as pd
from metaflow import (
    FlowMutator,
    FlowSpec,
    JSONType,
    Parameter,
    UserStepDecorator,
    catch,
    current,
    exit_hook,
    project,
    retry,
    schedule,
    secrets,
    step,
    trigger_on_finish,
    user_step_decorator,
)
from metaflow.exception import MetaflowException
from metaflow.metaflow_config import DEFAULT_DATASTORE
from metaflow.plugins.timeout_decorator import TimeoutException

Forecast = namedtuple("Forecast", "store product mean error")


class NotEnoughData(MetaflowException):
    headline = "Not enough data"

    def __init__(self, store, rows):
        super().__init__(msg=f"store {store} has {rows} rows only")


class timed(UserStepDecorator):
    """Keeps how long a step took."""

    def init(self, *args, **kwargs):
        self.name = kwargs.get("name", "seconds")

    def pre_step(self, step_name, flow, inputs=None):
        self.began = time.time()

    def post_step(self, step_name, flow, exception=None):
        setattr(flow, self.name, time.time() - self.began)
        return exception


@user_step_decorator
def announced(step_name, flow, inputs=None, attributes=None):
    print("begin", step_name)
    yield
    print("end", step_name)


class with_defaults(FlowMutator):
    """Every step that has no @retry gets one."""

    def init(self, *args, **kwargs):
        self.times = kwargs.get("times", 1)

    def mutate(self, mutable_flow):
        for name, mutable_step in mutable_flow.steps:
            if not any(spec[0] == "retry" for spec in mutable_step.decorator_specs):
                mutable_step.add_decorator(
                    "retry", deco_kwargs={"times": self.times, "minutes_between_retries": 0}
                )


def tell_success(run):
    with open(os.environ.get("FORECAST_REPORT", "report.txt"), "w") as file:
        file.write(f"{run.pathspec} {len(run.data.forecasts)}\n")


@exit_hook(on_success=[tell_success])
@with_defaults(times=1)
@trigger_on_finish(flow="SalesReportFlow")
@schedule(daily=True)
@project(name="forecasting")
class NightlyForecastFlow(FlowSpec):
    stores = Parameter("stores", default=["north", "south", "tiny"], type=JSONType)
    days = Parameter("days", default=60, help="how far back")
    products = ("bread", "milk")

    @secrets(sources=[{"type": "inline", "id": "db", "options": {"env_vars": {"DB_PASSWORD": "hush"}}}])
    @timed(name="seconds_to_load")
    @step
    def start(self):
        assert os.environ["DB_PASSWORD"] == "hush"
        rng = np.random.default_rng(3)
        frames = []
        for store in self.stores:
            days = 2 if store == "tiny" else self.days
            frames.append(
                pd.DataFrame(
                    {
                        "store": store,
                        "day": pd.date_range("2024-01-01", periods=days),
                        "bread": rng.poisson(40, days),
                        "milk": rng.poisson(25, days),
                    }
                )
            )
        self.sales = pd.concat(frames, ignore_index=True)
        self.datastore = DEFAULT_DATASTORE
        self.next(self.by_store, foreach="stores")

    @announced
    @step
    def by_store(self):
        self.store = self.input
        self.mine = self.sales[self.sales["store"] == self.store]
        self.items = [(name, self.mine[name].to_numpy()) for name in self.products]
        self.next(self.forecast, foreach="items")

    @catch(var="problem", print_exception=False)
    @retry(times=0)
    @step
    def forecast(self):
        product, sold = self.input
        if len(sold) < 10:
            raise NotEnoughData(self.store, len(sold))
        try:
            season = np.array([sold[at::7].mean() for at in range(7)])
        except TimeoutException:
            season = np.full(7, sold.mean())
        fitted = np.resize(season, len(sold))
        self.forecast_made = Forecast(
            self.store, product, float(season.mean()), float(np.abs(sold - fitted).mean())
        )
        self.place = [index for index, _, _ in self.foreach_stack()]
        self.next(self.of_store)

    @step
    def of_store(self, inputs):
        self.made = [one.forecast_made for one in inputs if one.problem is None]
        self.problems = [str(one.problem.exception) for one in inputs if one.problem is not None]
        self.merge_artifacts(inputs, include=["store", "seconds_to_load", "datastore"])
        self.next(self.gather)

    @step
    def gather(self, inputs):
        self.forecasts = [forecast for one in inputs for forecast in one.made]
        self.problems = sorted(problem for one in inputs for problem in one.problems)
        self.stores_seen = [one.store for one in inputs]
        self.merge_artifacts(inputs, exclude=["made", "store"])
        self.next(self.judge)

    @step
    def judge(self):
        self.quality = "good" if max(one.error for one in self.forecasts) < 10 else "bad"
        self.next({"good": self.publish, "bad": self.hold_back}, condition="quality")

    @step
    def publish(self):
        self.published_as = f"{current.project_name}/{current.branch_name}"
        self.next(self.end)

    @step
    def hold_back(self):
        self.published_as = None
        self.next(self.end)

    @step
    def end(self):
        print(f"{len(self.forecasts)} forecasts, {len(self.problems)} problems: {self.published_as}")


if __name__ == "__main__":
    NightlyForecastFlow()
