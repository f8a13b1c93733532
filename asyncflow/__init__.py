"""asyncflow: data-science flows on an asyncio, event-sourced runtime. Public names load when they are first used."""

from __future__ import annotations

TYPE_CHECKING = False  # known to type checkers by its name; importing typing would cost 4 ms
if TYPE_CHECKING:
    from asyncflow.engine import Engine, RunHandle
    from asyncflow.errors import AsyncflowError, UserError
    from asyncflow.flow.current import current
    from asyncflow.flow.decorators.builtin import catch, environment, parallel, resources, retry, timeout
    from asyncflow.flow.decorators.limits import concurrency, rate_limit
    from asyncflow.flow.errors import (
        DecoratorError,
        FlowLoadError,
        InvalidNextError,
        LintError,
        MergeError,
        MissingInMergeError,
        ParameterError,
        UnhandledInMergeError,
    )
    from asyncflow.flow.include_file import IncludeFile
    from asyncflow.flow.parameters import JSONType, Parameter
    from asyncflow.flow.spec import FlowSpec
    from asyncflow.flow.steps import step
    from asyncflow.version import __version__

__all__ = [
    "AsyncflowError",
    "DecoratorError",
    "Engine",
    "FlowLoadError",
    "FlowSpec",
    "IncludeFile",
    "InvalidNextError",
    "JSONType",
    "LintError",
    "MergeError",
    "MissingInMergeError",
    "Parameter",
    "ParameterError",
    "RunHandle",
    "UnhandledInMergeError",
    "UserError",
    "__version__",
    "catch",
    "concurrency",
    "current",
    "environment",
    "parallel",
    "rate_limit",
    "resources",
    "retry",
    "step",
    "timeout",
]

_HOMES = {
    "AsyncflowError": "asyncflow.errors",
    "DecoratorError": "asyncflow.flow.errors",
    "Engine": "asyncflow.engine",
    "FlowLoadError": "asyncflow.flow.errors",
    "FlowSpec": "asyncflow.flow.spec",
    "IncludeFile": "asyncflow.flow.include_file",
    "InvalidNextError": "asyncflow.flow.errors",
    "JSONType": "asyncflow.flow.parameters",
    "LintError": "asyncflow.flow.errors",
    "MergeError": "asyncflow.flow.errors",
    "MissingInMergeError": "asyncflow.flow.errors",
    "Parameter": "asyncflow.flow.parameters",
    "ParameterError": "asyncflow.flow.errors",
    "RunHandle": "asyncflow.engine",
    "UnhandledInMergeError": "asyncflow.flow.errors",
    "UserError": "asyncflow.errors",
    "__version__": "asyncflow.version",
    "catch": "asyncflow.flow.decorators.builtin",
    "concurrency": "asyncflow.flow.decorators.limits",
    "current": "asyncflow.flow.current",
    "environment": "asyncflow.flow.decorators.builtin",
    "parallel": "asyncflow.flow.decorators.builtin",
    "rate_limit": "asyncflow.flow.decorators.limits",
    "resources": "asyncflow.flow.decorators.builtin",
    "retry": "asyncflow.flow.decorators.builtin",
    "step": "asyncflow.flow.steps",
    "timeout": "asyncflow.flow.decorators.builtin",
}
"""Where each public name lives. `import asyncflow` itself loads none of them."""


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'asyncflow' has no attribute '{name}'")
    from importlib import import_module  # 1 ms that `import asyncflow` alone need not take

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
