"""Machines that run flows in pods of a test's cluster, and what is left there and in the bucket afterwards."""

from __future__ import annotations

import json
from pathlib import Path

from tests.elsewhere.story import Machine
from tests.services import moto
from tests.services.kube.fixture import Kube

_SECRETS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


def machine_for(folder: Path, kube: Kube, aws: str, bucket: str, **more: str) -> Machine:
    """Make a machine whose runs are kept in the bucket; its pods get the bucket's credentials from a secret."""
    if not kube.kubectl("get", "secret", "aws", "--ignore-not-found", "-o", "name"):
        said = [f"--from-literal={name}={moto.KEYS[name]}" for name in _SECRETS]
        kube.kubectl("create", "secret", "generic", "aws", *said)
    return Machine.at(
        folder,
        **{
            **moto.environment(aws),
            "KUBECONFIG": str(kube.config),
            "ASYNCFLOW_STORE": f"s3://{bucket}/runs",
            "ASYNCFLOW_KUBERNETES_SECRETS": "aws",
            "ASYNCFLOW_USER": "ada",
            **more,
        },
    )


def keys(aws: str, bucket: str, prefix: str) -> list[str]:
    """Return the keys of the store's objects of runs that begin so, such as `1/claims/`."""
    client = moto.client(aws)
    begin = f"runs/runs/{prefix}"
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=begin)
        return [
            found["Key"].removeprefix("runs/runs/") for page in pages for found in page.get("Contents", ())
        ]
    finally:
        client.close()


def pods(kube: Kube) -> list[str]:
    """Return the names of the namespace's pods."""
    listed = json.loads(kube.kubectl("get", "pods", "-o", "json"))
    return [str(pod["metadata"]["name"]) for pod in listed["items"]]
