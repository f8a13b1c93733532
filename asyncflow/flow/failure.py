"""What `@catch` stores in place of the artifact a failed step would have made."""

from __future__ import annotations

import pickle
import traceback

__all__ = ["CaughtFailure", "UnpicklableException", "dotted_name", "dotted_names"]


class UnpicklableException(Exception):
    """Stands for an exception that cannot be pickled; its text is the original's."""


class CaughtFailure:
    """A failure that `@catch` took: the exception, its type and its traceback. Can always be pickled.

    Args:
        exception: The exception. None when the process died before Python could tell.
        type: Dotted name of its class. None: taken from the exception.
        stacktrace: None: taken from the exception.
    """

    def __init__(
        self, exception: BaseException | None, *, type: str | None = None, stacktrace: str | None = None
    ) -> None:
        self.exception = exception
        self.type = type if type is not None else _type_of(exception)
        self.stacktrace = stacktrace if stacktrace is not None else _stacktrace_of(exception)

    def __getstate__(self) -> dict[str, object]:
        return {
            "exception": _picklable(self.exception, self.type),
            "type": self.type,
            "stacktrace": self.stacktrace,
        }

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)

    def __str__(self) -> str:
        return self.stacktrace or f"{self.type}: {self.exception}"

    def __repr__(self) -> str:
        return f"<CaughtFailure {self.type}: {self.exception!s:.200}>"


def dotted_name(error_class: type[BaseException]) -> str:
    """Return module and qualified name of an exception class, such as `builtins.ValueError`."""
    return f"{error_class.__module__}.{error_class.__qualname__}"


def dotted_names(error_class: type[BaseException]) -> tuple[str, ...]:
    """Return the dotted names of an exception class and its bases, nearest first, for `@retry(on=...)`."""
    return tuple(dotted_name(base) for base in error_class.__mro__ if issubclass(base, BaseException))


def _type_of(exception: BaseException | None) -> str:
    return "unknown" if exception is None else dotted_name(exception.__class__)


def _stacktrace_of(exception: BaseException | None) -> str:
    return "" if exception is None else "".join(traceback.format_exception(exception))


def _picklable(exception: BaseException | None, type_name: str) -> BaseException | None:
    """Return the exception, or a stand-in when it does not survive pickling and back."""
    if exception is None:
        return None
    try:
        pickle.loads(pickle.dumps(exception))
    except Exception:  # noqa: BLE001 - pickling runs the user's code, which may raise anything
        return UnpicklableException(f"{type_name}: {exception!s:.2000}")
    return exception
