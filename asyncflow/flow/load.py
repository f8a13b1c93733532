"""From a file to a flow class: imported once, and every way that can go wrong said in one clear message."""

from __future__ import annotations

import linecache
import os
import sys
import traceback
from types import ModuleType

from asyncflow.compat.finder import MissingName, installed
from asyncflow.errors import AsyncflowError
from asyncflow.flow.errors import FlowLoadError
from asyncflow.flow.spec import FlowSpec

__all__ = ["load_flow"]


def load_flow(path: str, class_name: str | None = None) -> type[FlowSpec]:
    """Import a flow's file and return its flow class.

    `import metaflow` gives asyncflow in it.

    The file's directory comes first on `sys.path`, as when Python runs the file. The module is called by the
    file's name, so that what a step pickles can be read by whoever imports the file.

    Args:
        path: The file.
        class_name: The flow's class; needed only where the file defines several.

    Raises:
        FlowLoadError: There is no such file, it cannot be imported, or it does not hold the flow.
    """
    file = os.path.abspath(path)
    if not os.path.isfile(file):
        kind = "is a directory, not a file" if os.path.isdir(file) else "does not exist"
        raise FlowLoadError(f"{path} {kind}", hint="Give the Python file that defines the flow.")
    return _pick(_import(file), path, class_name)


def _import(file: str) -> ModuleType:
    directory, base = os.path.split(file)
    name = _module_name(os.path.splitext(base)[0], file)
    if directory not in sys.path:
        sys.path.insert(0, directory)
    module = ModuleType(name)
    module.__file__ = file
    sys.modules[name] = module
    linecache.checkcache(file)
    try:
        with open(file, "rb") as opened:
            source = opened.read()
        with installed():
            exec(compile(source, file, "exec", dont_inherit=True), module.__dict__)  # noqa: S102 - a flow is a program
    except BaseException as error:  # noqa: BLE001 - sys.exit() included; always raised again, in other words
        sys.modules.pop(name, None)
        raise _explained(error, file)  # noqa: B904 - may be the error itself
    return module


def _module_name(stem: str, file: str) -> str:
    """Return the file's stem, or another name where a foreign module is called so already."""
    known = sys.modules.get(stem)
    is_own = known is None or getattr(known, "__file__", None) == file or hasattr(known, "__asyncflow_flow__")
    is_free = stem.isidentifier() and stem not in sys.stdlib_module_names and is_own
    return stem if is_free else f"flow_{''.join(c if c.isalnum() else '_' for c in stem)}"


def _explained(error: BaseException, file: str) -> BaseException:
    """Return what the user is to read about a failed import; what is not about the file is returned as it is."""
    if isinstance(error, MissingName):
        error.where, error.source = _deepest_frame(error, file)
    if isinstance(error, AsyncflowError | KeyboardInterrupt):
        return error
    if isinstance(error, SyntaxError):
        return FlowLoadError(
            f"Syntax error: {error.msg}",
            where=f"{error.filename}:{error.lineno}",
            source=(error.text or "").strip(),
            hint="Correct the line and run again.",
        )
    where, source = _deepest_frame(error, file)
    if isinstance(error, OSError) and not where:
        return FlowLoadError(f"{file} cannot be read: {error.strerror}", hint="Check its permissions.")
    message, hint = _message(error, file)
    return FlowLoadError(message, where=where, source=source, hint=hint)


def _message(error: BaseException, file: str) -> tuple[str, str]:
    """Return what happened, and what to do about it."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        missing = error.name.partition(".")[0]
        return (
            f"The flow needs module '{error.name}', which is not installed",
            f"Install it, for example with: pip install {missing}",
        )
    if isinstance(error, SystemExit):
        return (
            f"The file calls sys.exit({error.code!r:.100}) when it is imported",
            'Put what is to run as a script below: if __name__ == "__main__":',
        )
    text = str(error).partition("\n")[0][:500]
    return (
        f"The file raises {type(error).__name__} when it is imported{': ' if text else ''}{text}",
        f"See the whole traceback with: python {os.path.basename(file)}",
    )


def _deepest_frame(error: BaseException, file: str) -> tuple[str, str]:
    """Return `file:line` and source of the innermost line of the flow's own file, empty if there is none."""
    where, source = "", ""
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename == file:
            where, source = f"{frame.filename}:{frame.lineno}", (frame.line or "").strip()
    return where, source


def _pick(module: ModuleType, path: str, class_name: str | None) -> type[FlowSpec]:
    module.__dict__["__asyncflow_flow__"] = True
    flows = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, FlowSpec) and value is not FlowSpec
    }
    if class_name is not None:
        if class_name in flows:
            return flows[class_name]
        known = f"It has: {', '.join(flows)}" if flows else "It has none at all."
        raise FlowLoadError(f"{path} has no flow {class_name}", hint=known)
    own = [value for value in flows.values() if value.__module__ == module.__name__]
    candidates = own or list(flows.values())
    leaves = [
        value
        for value in dict.fromkeys(candidates)
        if not any(other is not value and issubclass(other, value) for other in candidates)
    ]
    if len(leaves) == 1:
        return leaves[0]
    if not leaves:
        raise FlowLoadError(
            f"{path} defines no flow",
            hint="Define a class that derives from asyncflow.FlowSpec and has steps marked with @step.",
        )
    names = ", ".join(value.__name__ for value in leaves)
    raise FlowLoadError(
        f"{path} defines several flows: {names}", hint=f"Name one: {path}:{leaves[0].__name__}"
    )
