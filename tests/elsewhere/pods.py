"""A cluster and a bucket, and machines that run flows on them by `asyncflow` in processes of its own."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.elsewhere.story import Machine
from tests.services import moto
from tests.services.kube.fixture import Kube

FLOWS = Path(__file__).with_name("flows")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pods:
    """See the module."""

    kube: Kube
    aws: str
    bucket: str
    folder: Path

    @classmethod
    def of(cls, kube: Kube, aws: str, folder: Path) -> Pods:
        """Put a fresh bucket beside a cluster."""
        return cls(kube=kube, aws=aws, bucket=moto.make_bucket(aws), folder=folder)

    def give_keys(self) -> None:
        """Lay the bucket's keys into a secret `aws`, for pods that are processes."""
        literals = [f"--from-literal={name}={value}" for name, value in moto.keys_of(self.aws).items()]
        self.kube.kubectl("create", "secret", "generic", "aws", *literals)

    def machine(self, name: str = "scheduler", **environment: str) -> Machine:
        """Make a machine that knows the cluster and the bucket and nothing else."""
        known = {
            **moto.environment(self.aws),
            "KUBECONFIG": str(self.kube.config),
            "ASYNCFLOW_STORE": f"s3://{self.bucket}/runs",
            "ASYNCFLOW_KUBERNETES_QPS": "10000",  # the server is ours alone
        }
        return Machine.at(self.folder / name, **{**known, **environment})

    @property
    def asking(self) -> str:
        """What `--with` says for pods that are processes."""
        return f"kubernetes:secrets=aws,memory=300,executable={sys.executable}"

    def keys(self, part: str) -> list[str]:
        """Return the keys in the bucket that have a part."""
        client = moto.client(self.aws)
        try:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
            return [one["Key"] for page in pages for one in page.get("Contents", ()) if part in one["Key"]]
        finally:
            client.close()

    def left(self) -> list[Mapping[str, Any]]:
        """Return the pods that are there."""
        items: list[Mapping[str, Any]] = json.loads(self.kube.kubectl("get", "pods", "-o", "json"))["items"]
        return items

    def created(self) -> int:
        """Return how many pods were asked for."""
        return self.kube.faults.calls()["create", "pods"]


def flow(name: str) -> str:
    """Return the path of a flow of this folder."""
    return str(FLOWS / f"{name}.py")
