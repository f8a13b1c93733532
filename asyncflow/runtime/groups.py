"""What a task group raised, as the one error that matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asyncflow.errors import AsyncflowError

__all__ = ["first_of_ours", "holds"]


def first_of_ours(error: BaseException) -> BaseException:
    """Unwrap exception groups: our own error if there is one, else the first."""
    leaves = list(_leaves(error))
    return next((leaf for leaf in leaves if isinstance(leaf, AsyncflowError)), leaves[0])


def holds(error: BaseException, kind: type[BaseException]) -> bool:
    """Tell whether an error, or one in a group, is of a kind."""
    return any(isinstance(leaf, kind) for leaf in _leaves(error))


def _leaves(error: BaseException) -> Iterator[BaseException]:
    inner: Sequence[BaseException] = getattr(error, "exceptions", ()) if _is_group(error) else ()
    if not inner:
        yield error
    for each in inner:
        yield from _leaves(each)


def _is_group(error: BaseException) -> bool:
    return isinstance(error, BaseExceptionGroup)
