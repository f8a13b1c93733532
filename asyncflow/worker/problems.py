"""Turns an exception of the user's code into a bounded record: its type, its text, the user's own frames."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator, Sequence

from asyncflow.errors import AsyncflowError
from asyncflow.flow.failure import dotted_name, dotted_names
from asyncflow.machine.outcome import ErrorInfo
from asyncflow.store.manifest import ErrorRecord

__all__ = ["info_from", "info_of", "record_of", "user_traceback"]

_MOST_MESSAGE = 2_000
_MOST_TRACEBACK = 20_000
_MOST_LEAVES = 50
_OURS = (
    os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep,
    "asyncflow/",  # what code that comes in an archive is called
)


def info_of(error: BaseException, *, is_retryable: bool | None = None) -> ErrorInfo:
    """Describe an exception. `is_retryable` None: as the exception's class says, True if it says nothing."""
    if is_retryable is None:
        is_retryable = not isinstance(error, AsyncflowError) or bool(getattr(error, "is_retryable", True))
    return ErrorInfo(
        type=dotted_name(type(error)),
        message=_text_of(error)[:_MOST_MESSAGE],
        traceback=user_traceback(error),
        bases=dotted_names(type(error)),
        is_retryable=is_retryable,
        leaves=_leaves_of(error),
    )


def _leaves_of(group: BaseException) -> tuple[tuple[str, ...], ...]:
    """Return the classes of what a group holds, each once, in the order found; none if they are too many to say."""
    if not isinstance(group, BaseExceptionGroup):
        return ()
    kinds: dict[type, None] = {}
    for leaf in _flat(group):  # pyright: ignore[reportUnknownArgumentType] - narrowed to a group of unknown
        kinds[type(leaf)] = None
        if len(kinds) > _MOST_LEAVES:
            return ()
    return tuple(dotted_names(kind) for kind in kinds)


def _flat(group: BaseException) -> Iterator[BaseException]:
    waiting = [group]
    while waiting:
        error = waiting.pop()
        inner: Sequence[BaseException] = getattr(error, "exceptions", ())
        if isinstance(error, BaseExceptionGroup):
            waiting.extend(reversed(inner))
        else:
            yield error


def record_of(info: ErrorInfo) -> ErrorRecord:
    """Say it in the store's words."""
    return ErrorRecord(
        type=info.type,
        message=info.message,
        traceback=info.traceback,
        bases=info.bases,
        is_retryable=info.is_retryable,
        leaves=info.leaves,
    )


def info_from(record: ErrorRecord) -> ErrorInfo:
    """Say it in the machine's words."""
    return ErrorInfo(
        type=record.type,
        message=record.message,
        traceback=record.traceback,
        bases=record.bases,
        is_retryable=record.is_retryable,
        leaves=record.leaves,
    )


def user_traceback(error: BaseException) -> str:
    """Format an exception without asyncflow's own frames; the middle of a very long text is left out."""
    try:
        told = traceback.TracebackException.from_exception(error, max_group_width=50, max_group_depth=10)
        _leave_out_ours(told, 0)
        text = "".join(told.format())
    except Exception as why:  # noqa: BLE001 - __str__ and __cause__ are the user's, and may raise anything
        text = f"{dotted_name(type(error))} (its traceback cannot be shown: {type(why).__name__})\n"
    if len(text) <= _MOST_TRACEBACK:
        return text
    half = _MOST_TRACEBACK // 2 - 50
    return f"{text[:half]}\n  ... {len(text) - 2 * half} characters left out ...\n{text[-half:]}"


def _leave_out_ours(told: traceback.TracebackException, depth: int) -> None:
    told.stack = traceback.StackSummary.from_list(
        [frame for frame in told.stack if not frame.filename.startswith(_OURS)]
    )
    if depth > 20:
        return
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        if other is not None:
            _leave_out_ours(other, depth + 1)


def _text_of(error: BaseException) -> str:
    try:
        return error.message if isinstance(error, AsyncflowError) else str(error)
    except Exception:  # noqa: BLE001 - __str__ is the user's, and may raise anything
        return "(its text cannot be shown)"
