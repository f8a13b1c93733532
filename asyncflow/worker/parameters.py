"""The pseudo step `_parameters`: a run's parameters and constants, written once before the first task."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from asyncflow.machine.ids import PARAMETERS_TASK, ManifestKey
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import PARAMETERS_STEP, ArtifactRecord, Manifest

__all__ = ["GRAPH_INFO", "write_parameters"]

GRAPH_INFO = "_graph_info"


def write_parameters(
    store: LocalStore,
    run: int,
    flow: str,
    values: Mapping[str, object],
    constants: Mapping[str, object],
    graph_info: Mapping[str, object],
    *,
    code: str | None = None,
) -> ManifestKey:
    """Store what every task of a run begins with; return where it is.

    Args:
        store: Where to.
        run: The run.
        flow: Class name of the flow; every task has it as the artifact `name`.
        values: Parameters by attribute name.
        constants: Class constants by name.
        graph_info: The graph as plain data; every task has it as the artifact `_graph_info`.
        code: The blob that has the user's files, as the run began with them.

    Raises UnpicklableArtifact naming the value, or StoreError.
    """
    now = time.time()
    artifacts: dict[str, ArtifactRecord] = {}
    for name, value in (*constants.items(), *values.items(), ("name", flow)):
        artifacts[name] = store.dump(value, name=name)
    # Never inlined: it would be repeated in the manifest of every task.
    artifacts[GRAPH_INFO] = store.dump(dict(graph_info), name=GRAPH_INFO, inline_bytes=0)
    manifest = Manifest(
        flow=flow,
        run=run,
        step=PARAMETERS_STEP,
        task=PARAMETERS_TASK,
        attempt=0,
        is_ok=True,
        artifacts=store.fit_inline(artifacts),
        started_at=now,
        ended_at=time.time(),
        host=os.uname().nodename,
        pid=os.getpid(),
        code=code,
    )
    store.write_manifest(manifest)
    return ManifestKey(run, PARAMETERS_TASK, 0)
