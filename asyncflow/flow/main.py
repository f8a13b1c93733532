"""`if __name__ == "__main__": MyFlow()`: the flow's file as a program. The only way from flow/ up to the commands."""

from __future__ import annotations

import sys

from asyncflow.flow.errors import FlowLoadError

__all__ = ["run_script"]


def run_script(flow_class: type) -> None:
    """Run the command line for a flow whose file is run as a script. Does not return.

    The commands import the file once more under its own name, so that what steps pickle can be read by
    `asyncflow resume` and the like, to which the script is not `__main__`.
    """
    from asyncflow.cli.main import main, program  # click and all commands, which only a script needs

    script = sys.modules.get("__main__")
    file = getattr(script, "__file__", None)
    if not file:
        raise FlowLoadError(
            f"Flow {flow_class.__name__} is not in a file, so it cannot be run",
            hint=f"Put it in a file, or make a plain object of it: {flow_class.__name__}(use_cli=False)",
        )
    (program if _is_last() else main)(script=(file, flow_class.__name__))


def _is_last() -> bool:
    """Tell whether the process ends when this call does: no `try` or `with` around it, and nobody who types."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_exceptiontable:
            return False
        frame = frame.f_back
    return not sys.flags.inspect
