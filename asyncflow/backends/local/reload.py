"""A flow loaded once more in a fresh interpreter, with the decorators that `--with` has put on it here."""

from __future__ import annotations

import pickle

__all__ = ["attached_to", "load_again"]

_ATTACHED = "__asyncflow_attached__"
"""Where `asyncflow.flow.decorators.attach` keeps them on the class."""


def attached_to(flow_class: type) -> bytes:
    """Return the decorators attached to a flow from outside, for `load_again`."""
    return pickle.dumps(vars(flow_class).get(_ATTACHED, ()))


def load_again(flow_file: str, flow_name: str, attached: bytes) -> type:
    """Import a flow's file and return the flow as it stands where `attached` comes from.

    Raises:
        FlowLoadError: The file is gone, or cannot be imported any more.
    """
    from asyncflow.flow.load import load_flow

    flow_class = load_flow(flow_file, flow_name)
    decorators = pickle.loads(attached)  # our own parent process has written it
    if decorators:
        setattr(flow_class, _ATTACHED, decorators)
    return flow_class
