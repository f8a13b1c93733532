"""Calls one exit hook, in a process that is nothing else: `python -m asyncflow.runtime.exit_hook_main ...`."""

from __future__ import annotations

import inspect
import sys
import traceback

from asyncflow.errors import AsyncflowError
from asyncflow.flow.decorators.hooks import exit_hooks_of
from asyncflow.flow.load import load_flow

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Call the hook that the arguments name; return an exit code.

    Args:
        arguments: Flow file, class, `on_success` or `on_error`, number of the decorator, number of the function, run.
    """
    flow_file, class_name, kind, position, index, run = arguments
    try:
        flow_class = load_flow(flow_file, class_name)
        hooks = exit_hooks_of(flow_class)[int(position)]
        hook = hooks.when(succeeded=kind == "on_success")[int(index)]
        given: list[object] = []
        if inspect.signature(hook).parameters:
            from asyncflow.client.runs import Run

            given.append(Run(f"{flow_class.__name__}/{run}", _namespace_check=False))
        hook(*given)
    except AsyncflowError as error:
        sys.stderr.write(f"{error.headline}: {error}\n")
        return 1
    except Exception:  # noqa: BLE001 - the user's function may raise anything
        sys.stderr.write(traceback.format_exc())
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
