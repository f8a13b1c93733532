"""A flow loaded once more in a fresh interpreter, with the decorators that `--with` has put on it here."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from typing import Any

__all__ = ["attached_to", "load_again"]

_ATTACHED = "__asyncflow_attached__"
"""Where `asyncflow.flow.decorators.attach` keeps them on the class."""


def attached_to(flow_class: type, *, leave_out: Callable[[Any], bool] = lambda decorator: False) -> bytes:
    """Return the decorators attached to a flow from outside, for `load_again`, without those to be left out."""
    attached: tuple[Any, ...] = vars(flow_class).get(_ATTACHED, ())  # Any: step decorators
    return pickle.dumps(tuple(one for one in attached if not leave_out(one)))


def load_again(flow_file: str, flow_name: str, attached: bytes, *, module: str = "") -> type:
    """Import a flow's file and return the flow as it stands where `attached` comes from.

    Args:
        flow_file: The file.
        flow_name: The flow's class.
        attached: What `attached_to` gave.
        module: The module's name where the flow comes from. One of a package is imported by it, so that what a step
            pickles has the name it has there.

    Raises:
        FlowLoadError: The file is gone, or cannot be imported any more.
    """
    from asyncflow.flow.load import load_flow

    flow_class = _of_package(module, flow_file, flow_name) or load_flow(flow_file, flow_name)
    decorators = pickle.loads(attached)  # our own parent process has written it
    if decorators:
        setattr(flow_class, _ATTACHED, decorators)
    return flow_class


def _of_package(module: str, flow_file: str, flow_name: str) -> type | None:
    """Return the flow from a module inside a package; None if it is not from such a one."""
    if "." not in module:
        return None
    from importlib import import_module

    try:
        imported = import_module(module)
    except ImportError:
        return None  # the file itself will tell what is missing
    file = getattr(imported, "__file__", None) or ""
    return getattr(imported, flow_name, None) if os.path.abspath(file) == flow_file else None
