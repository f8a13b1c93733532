"""What workers on other machines are given: the command that starts them, the code, the environment. No secrets."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import anyio.to_thread

from asyncflow.backends.local.reload import attached_to
from asyncflow.backends.remote.provider import Provider, StepRequest
from asyncflow.backends.remote.specs import Luggage
from asyncflow.flow.decorators.base import StepDecorator
from asyncflow.flow.decorators.places import place_of
from asyncflow.flow.given_configs import handed_down
from asyncflow.records import record
from asyncflow.store.objects import Objects
from asyncflow.store.package.upload import upload_package
from asyncflow.store.replica import STORE_VARIABLE
from asyncflow.store.s3.address import S3Settings
from asyncflow.version import __version__
from asyncflow.worker.container import bootstrap_command
from asyncflow.worker.packing import package_of

__all__ = ["Workers", "environment_for", "workers_beside", "workers_in_containers"]

_PASSED = ("METAFLOW_DEBUG_", "METAFLOW_CONDA_", "ASYNCFLOW_WORKER_")
_S3_NAMES = ("AWS_REGION", "AWS_DEFAULT_REGION", "ASYNCFLOW_S3_ADDRESSING_STYLE", "METAFLOW_S3_ENDPOINT_URL")


@record
class Workers:
    """How a run's workers are started."""

    luggage: Luggage
    environment: Mapping[str, str]
    package_url: str = ""
    """Empty: they see the scheduler's files, and use its interpreter."""
    package_digest: str = ""

    def command(self, step: StepRequest, spec_url: str) -> Sequence[str]:
        """Return what a container of a step runs."""
        if not self.package_url:
            return [sys.executable, "-P", "-m", "asyncflow.worker", spec_url]
        python = step.options.get("executable") or "python3"
        return bootstrap_command(self.package_url, self.package_digest, spec_url, python=str(python))


def workers_beside(flow_class: type, flow_file: str, environment: Mapping[str, str]) -> Workers:
    """Return how workers are started that see the scheduler's files."""
    return Workers(
        luggage=_luggage(flow_class, flow_file, os.path.abspath(flow_file)), environment=environment
    )


async def workers_in_containers(
    flow_class: type,
    flow_file: str,
    environment: Mapping[str, str],
    *,
    objects: Objects,
    suffixes: Sequence[str] = (),
) -> Workers:
    """Pack the flow's code, send it to the bucket unless it is there, and return how workers are started with it.

    Raises:
        PackageError: Something cannot be packed.
        StoreError: The bucket cannot be written.
    """
    package = await anyio.to_thread.run_sync(lambda: package_of(flow_class, flow_file, suffixes=suffixes))
    url = (await upload_package(objects, package)).url
    told = {
        "METAFLOW_CODE_SHA": package.digest,
        "METAFLOW_CODE_URL": url,
        "METAFLOW_CODE_DS": "s3",
    }
    return Workers(
        luggage=_luggage(flow_class, flow_file, package.script),
        environment={**environment, **told},
        package_url=url,
        package_digest=package.digest,
    )


def environment_for(
    provider: Provider, *, run: int, user: str, store_url: str, is_bucket: bool
) -> dict[str, str]:
    """Return the environment of workers; credentials are the platform's affair."""
    told = {
        "METAFLOW_USER": user,
        "METAFLOW_RUN_ID": str(run),
        "METAFLOW_RUNTIME_ENVIRONMENT": provider.runtime_environment,
        "METAFLOW_RUNTIME_NAME": "asyncflow",
        "METAFLOW_VERSION": __version__,
        "PYTHONUNBUFFERED": "1",
    }
    told.update({name: value for name, value in os.environ.items() if name.startswith(_PASSED)})
    if is_bucket:
        told |= {
            STORE_VARIABLE: store_url,
            "METAFLOW_DEFAULT_DATASTORE": "s3",
            "METAFLOW_DATASTORE_SYSROOT_S3": store_url,
        }
        told |= {name: os.environ[name] for name in _S3_NAMES if os.environ.get(name)}
        endpoint = S3Settings.from_environment().endpoint_url
        if endpoint:
            told["ASYNCFLOW_S3_ENDPOINT_URL"] = endpoint
        datatools = os.environ.get("METAFLOW_DATATOOLS_S3ROOT")
        if datatools:
            told["METAFLOW_DATATOOLS_S3ROOT"] = datatools
    return told


def _luggage(flow_class: type, flow_file: str, for_workers: str) -> Luggage:
    given: dict[str, Any] = {name: one.value for name, one in handed_down(flow_file).items()}
    return Luggage(
        attached=attached_to(flow_class, leave_out=_is_place), configs=given, flow_file=for_workers
    )


def _is_place(decorator: StepDecorator) -> bool:
    """Tell whether it says where the step runs: a worker knows that, and may lack the package it comes from."""
    return place_of([decorator]) is not None
