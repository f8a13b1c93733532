"""A store for one test of a step or a flow, in memory where the platform has a file system in memory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager

from asyncflow.flow.options import resolve_parameters
from asyncflow.flow.parameters import constants_of
from asyncflow.flow.parse import parse_flow
from asyncflow.store.local import LocalStore
from asyncflow.users import user_name
from asyncflow.worker.parameters import write_parameters
from asyncflow.worker.spec import RunSpec

__all__ = ["RUN", "run_spec", "scratch_store"]

RUN = 1
"""The id of every run in a test."""
_IN_MEMORY = "/dev/shm"  # noqa: S108 - mkdtemp makes a directory of our own in it


@contextmanager
def scratch_store() -> Generator[LocalStore]:
    """Open a store that is gone at the end of the block."""
    place = _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="asyncflow-test-", dir=place) as directory:
        yield LocalStore(directory)


def run_spec(
    flow_class: type, store: LocalStore, params: Mapping[str, object], tags: tuple[str, ...] = ()
) -> RunSpec:
    """Write a run's parameters; return what its attempts are told.

    Raises:
        ParameterError: A value is unknown, missing or does not fit.
    """
    graph = parse_flow(flow_class)
    values = resolve_parameters(flow_class, params)
    key = write_parameters(store, RUN, graph.name, values, constants_of(flow_class), graph.to_info())
    return RunSpec(
        run=RUN,
        flow=graph.name,
        flow_file=graph.file,
        store_root=store.root,
        parameters=key,
        user=user_name(),
        tags=tags,
        namespace=f"user:{user_name()}",
        environment=graph.environment(),
    )
