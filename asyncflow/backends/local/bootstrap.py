"""How a fresh interpreter is started that finds the same modules as this one."""

from __future__ import annotations

import os
import sys

__all__ = ["python_command"]

_CODE = "import sys; sys.path[:] = sys.argv.pop(1).split({separator!r}); from {module} import main; main()"


def python_command(module: str, *args: str) -> list[str]:
    """Return the command line that calls `main()` of a module with this process's `sys.path`."""
    code = _CODE.format(separator=os.pathsep, module=module)
    return [sys.executable, "-c", code, os.pathsep.join(sys.path), *args]
