"""Says what a client sees of the newest run in the working directory; run by either side's own interpreter."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

_FAILURES = ("Traceback (", "<CaughtFailure ")
"""How what @catch left begins when it is shown: either side has words of its own."""


def main() -> None:
    """Write JSON to stdout."""
    if os.environ.get("DIFFERENTIAL_COMPAT"):
        from asyncflow import compat

        compat.install()
    import metaflow  # pyright: ignore[reportMissingImports] - whichever it is

    sys.stdout.write(json.dumps(seen_of(metaflow)))


def seen_of(metaflow: Any) -> dict[str, Any] | None:  # Any: one of two packages; JSON
    """Return what is to be seen of the newest run; None if there is none."""
    metaflow.namespace(None)
    try:
        run = metaflow.Flow("DiffFlow").latest_run
    except Exception:
        return None
    steps = {step.id: sorted(map(_task, step), key=_order) for step in run}
    return {
        "successful": run.successful,
        "finished": run.finished,
        "tags": sorted(run.user_tags),
        "steps": steps,
    }


def _order(task: dict[str, Any]) -> tuple[bool, int, str]:
    index = task["index"]
    return index is None, index or 0, json.dumps(task)


def _task(task: Any) -> dict[str, Any]:  # Any: the package's; JSON
    values: dict[str, str] = {}
    for artifact in task:
        if artifact.id != "name":
            try:
                values[artifact.id] = repr(artifact.data)
            except Exception as error:
                values[artifact.id] = f"unreadable: {type(error).__name__}"
    return {
        "artifacts": {
            name: "a failure" if text.startswith(_FAILURES) else text for name, text in sorted(values.items())
        },
        "names": sorted(values),
        "successful": task.successful,
        "finished": task.finished,
        "index": task.index,
        "attempt": task.current_attempt,
    }


if __name__ == "__main__":
    main()
