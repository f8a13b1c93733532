"""One step in AWS Batch, one in a pod, the others here."""

import os

from asyncflow import FlowSpec, batch, kubernetes, step


class Hybrid(FlowSpec):
    @step
    def start(self):
        self.places = [place()]
        self.next(self.in_job)

    @batch(memory=128)
    @step
    def in_job(self):
        self.places.append(place())
        self.next(self.in_pod)

    @kubernetes(memory=256, secrets=["aws"], executable=os.environ.get("PYTHON"))
    @step
    def in_pod(self):
        self.places.append(place())
        self.next(self.end)

    @step
    def end(self):
        self.places.append(place())
        print("places:", self.places)


def place():
    return os.environ.get("METAFLOW_RUNTIME_ENVIRONMENT", "here")


if __name__ == "__main__":
    Hybrid()
