"""Lets moto execute state machines, Batch tasks with `.sync` among them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def mend_step_functions() -> None:
    """Turn execution on, and mend two things that are in the way of `batch:submitJob.sync`."""
    from moto.core.config import default_user_config
    from moto.stepfunctions.parser.asl.component.state.exec.state_task.service import state_task_service_batch
    from moto.stepfunctions.parser.asl.eval.callback.callback import CallbackEndpoint

    service = state_task_service_batch.StateTaskServiceBatch
    service._normalise_parameters = lambda self, parameters, *_, **__: _respell(parameters, _lower)
    service._normalise_response = lambda self, response, *_, **__: _respell(response, _upper)
    # moto takes the same, already interrupted, endpoint for every retry of a task: each would time out at once.
    CallbackEndpoint.interrupt_all = lambda self: None
    default_user_config["stepfunctions"] = {"execute_state_machine": True}


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _upper(name: str) -> str:
    return name[:1].upper() + name[1:]


def _respell(value: Any, spelled: Callable[[str], str]) -> None:
    """Change the keys of nested mappings in place; what users name stays."""
    if isinstance(value, dict):
        for key in list(value):
            inner = value.pop(key)
            if key.lower() not in ("parameters", "tags"):
                _respell(inner, spelled)
            value[spelled(key)] = inner
    elif isinstance(value, list):
        for each in value:
            _respell(each, spelled)
