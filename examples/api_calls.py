"""Five hundred calls to an API that fails one in five, fifty at a time: an async step, retried with a growing wait.

python examples/flaky_server.py --port 8765 &
asyncflow run examples/api_calls.py
asyncflow run examples/api_calls.py --calls 5000

Every call is a task: recorded, retried by itself, and not made again when the run is killed half-way and resumed
with `asyncflow resume latest`.
"""

from functools import cache

import httpx

from asyncflow import FlowSpec, Parameter, concurrency, retry, step


@cache
def client() -> httpx.AsyncClient:
    """Return the client that all tasks of the worker share; it is made when the first one asks."""
    return httpx.AsyncClient(timeout=10)


class ApiCallsFlow(FlowSpec):
    """Square numbers by asking a server."""

    url = Parameter("url", help="Where the server is", default="http://127.0.0.1:8765")
    calls = Parameter("calls", help="How many numbers to ask for", type=int, default=500)

    @step
    def start(self):
        """Say which calls are to be made."""
        self.numbers = range(self.calls)
        self.next(self.fetch, foreach="numbers")

    @concurrency(50)
    @retry(times=10, delay=0.05, backoff=2, max_delay=1, jitter=0.5, on=httpx.HTTPError)
    @step
    async def fetch(self):
        """Make one call; a status that is no success is an error, and the task is tried again."""
        response = await client().get(f"{self.url}/square/{self.input}")
        response.raise_for_status()
        self.square = response.json()["square"]
        self.next(self.join)

    @step
    def join(self, inputs):
        """Gather the answers."""
        self.squares = [task.square for task in inputs]
        self.next(self.end)

    @step
    def end(self):
        """Tell the result."""
        print(f"{len(self.squares)} answers, their sum is {sum(self.squares)}")


if __name__ == "__main__":
    ApiCallsFlow()
