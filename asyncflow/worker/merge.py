"""`merge_artifacts`: takes over what the branches of a join agree on, by digest, without loading anything."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from asyncflow.flow.errors import MergeError, MissingInMergeError, UnhandledInMergeError
from asyncflow.store.manifest import ArtifactRecord
from asyncflow.worker.inputs import Input, manifest_of

__all__ = ["merged_artifacts"]


def merged_artifacts(
    inputs: Iterable[object], *, taken: Container[str], include: Sequence[str], exclude: Sequence[str]
) -> dict[str, ArtifactRecord]:
    """Return the records to take over, by name; all of them or none.

    Args:
        inputs: Branches of the join, all or some.
        taken: Names the join has already; they are skipped.
        include: The only names wanted. Empty: all.
        exclude: Names not wanted.

    Raises:
        UnhandledInMergeError: Branches disagree about a name.
        MissingInMergeError: A name in `include` is in no branch and not taken.
        MergeError: `inputs` holds something else than branches.
    """
    agreed: dict[str, ArtifactRecord] = {}
    disputed: dict[str, None] = {}
    excluded, wanted = frozenset(exclude), frozenset(include)
    for name, record in _records(inputs):
        if name in excluded or (wanted and name not in wanted) or name in taken:
            continue
        first = agreed.setdefault(name, record)
        if first.digest != record.digest or first.encoding != record.encoding:
            disputed[name] = None
    if disputed:
        raise _unhandled(list(disputed))
    missing = [name for name in include if name not in agreed and name not in taken]
    if missing:
        raise MissingInMergeError(
            f"No input has {_quoted(missing)}, which merge_artifacts was told to include",
            artifact_names=missing,
            hint="Take the name out of include, or set it in a branch or before the call.",
        )
    return agreed


def _records(inputs: Iterable[object]) -> Iterable[tuple[str, ArtifactRecord]]:
    for branch in inputs:
        if not isinstance(branch, Input):
            raise MergeError(
                f"merge_artifacts got {type(branch).__name__} where it takes inputs of the join",
                hint="Call self.merge_artifacts(inputs).",
            )
        yield from manifest_of(branch).artifacts.items()


def _unhandled(names: list[str]) -> UnhandledInMergeError:
    return UnhandledInMergeError(
        f"The inputs disagree about {_quoted(names)}; nothing was merged",
        artifact_names=names,
        hint=f"Set self.{names[0]} before calling merge_artifacts, or exclude it: "
        f"self.merge_artifacts(inputs, exclude={names[:5]!r})",
    )


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in names[:20])
    return shown if len(names) <= 20 else f"{shown} and {len(names) - 20} more"
