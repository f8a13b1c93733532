"""Builds a bench around a local backend with a store of its own."""

from __future__ import annotations

import os
from pathlib import Path

from asyncflow.backends.local import LocalBackend, Zygote
from asyncflow.backends.local.zygote import fork_zygote
from asyncflow.flow.load import load_flow
from asyncflow.store.home import make_home
from asyncflow.store.local import LocalStore
from asyncflow.worker.parameters import write_parameters
from asyncflow.worker.spec import RunSpec
from tests.contract.backend_suite import FLOW_FILE, Bench, RecordingSink

__all__ = ["RUN", "forked", "local_bench", "make_store"]

RUN = 7


def make_store(directory: Path) -> str:
    """Make a store in a directory; return its root."""
    directory.mkdir(parents=True, exist_ok=True)
    return make_home(str(directory))


def forked(flow_file: Path = FLOW_FILE, *, subreaper: bool = False) -> Zygote:
    """Fork a zygote for a flow; to be called outside a running event loop."""
    return fork_zygote(load_flow(str(flow_file)), subreaper=subreaper)


def local_bench(
    zygote: Zygote,
    root: str,
    *,
    isolation: str = "fork",
    environment: dict[str, dict[str, str]] | None = None,
) -> Bench:
    """Put a backend on top of a zygote."""
    key = write_parameters(LocalStore(root), RUN, zygote.flow_name, {}, {}, {})
    spec = RunSpec(
        run=RUN,
        flow=zygote.flow_name,
        flow_file=zygote.flow_file,
        store_root=root,
        parameters=key,
        user="tester",
        environment=environment or {},
    )
    sink = RecordingSink()
    os.environ.setdefault("COUNT_FILE", os.devnull)
    return Bench(LocalBackend(zygote, spec, sink, isolation=isolation), sink, RUN, key)
