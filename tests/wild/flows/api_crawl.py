"""Fetch pages of an API that fails now and then; retries, catch, a client that reads earlier runs."""

import random

from metaflow import Flow, FlowSpec, Parameter, catch, current, get_metadata, namespace, retry, step
from metaflow.exception import MetaflowException


class FlakyApi:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def page(self, number, attempt):
        if number == 5:
            raise PermissionError(f"page {number} is private")
        if number % 3 == 0 and attempt == 0:
            raise ConnectionError(f"page {number} timed out")
        return [{"id": number * 10 + i, "stars": self.random.randint(0, 5)} for i in range(10)]


class ApiCrawlFlow(FlowSpec):
    pages = Parameter("pages", default=8)

    @step
    def start(self):
        if self.pages < 1:
            raise MetaflowException("at least one page is needed")
        self.before = self.runs_before()
        self.numbers = range(self.pages)
        self.next(self.fetch, foreach="numbers")

    def runs_before(self):
        namespace(None)
        try:
            return [run.id for run in Flow(self.name) if run.id != current.run_id]
        except Exception as error:
            print("no earlier runs:", error)
            return []

    @catch(var="failure", print_exception=False)
    @retry(times=1, minutes_between_retries=0)
    @step
    def fetch(self):
        self.items = []
        self.items = FlakyApi(self.input).page(self.input, current.retry_count)
        self.attempts = current.retry_count + 1
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.items = [item for inp in inputs if not inp.failure for item in inp.items]
        self.failed = [str(inp.failure) for inp in inputs if inp.failure]
        self.second_tries = sum(inp.attempts == 2 for inp in inputs if not inp.failure)
        self.next(self.end)

    @step
    def end(self):
        self.stars = sum(item["stars"] for item in self.items)
        print(f"{len(self.items)} items, {self.stars} stars, failed: {self.failed}, store {get_metadata()}")


if __name__ == "__main__":
    ApiCrawlFlow()
