"""What a task read of what it was given, as short texts, and the digest of each: so two tasks can be compared.

    self.NAME            an artifact or parameter that it inherited (or asked for in vain)
    self.input           the item of the innermost foreach; self.index, self.foreach_stack likewise
    inputs               how many inputs the join has
    inputs.NAME          an artifact of all inputs;  inputs[0,3].NAME  of some
    inputs.*!A,B         all artifacts of the inputs but A and B (merge_artifacts)
    inputs.step()        from which steps the inputs came;  inputs.index()  and the like: of all inputs
    current.NAME         an attribute of `current`
    code.MODULE:NAME     what a class or function of the user's reaches that something read was made of
    code.MODULE:         likewise, of a module that was imported late: all of it. Manifests add =DIGEST to both

More than was read may be noted: then a task runs once too often, never too seldom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from asyncflow.store.digests import digest_of
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, FrameRecord, Manifest

__all__ = ["ABSENT", "Given", "digest_of_read", "is_ignored", "key_of", "name_of", "of_inputs", "text_digest"]

ABSENT = "-"
"""Stands for the digest of what is not there."""
_MOST_NAMED = 8


class Given(NamedTuple):
    """What a task begins with."""

    store: LocalStore
    inherited: Mapping[str, ArtifactRecord]
    frames: tuple[FrameRecord, ...]
    inputs: Sequence[Manifest] | None
    """None: the step is no join."""
    current: Callable[[str], str]
    """Gives the text of an attribute of `current`."""
    code: Callable[[str], str]
    """Gives a digest of what code a class or function (`module:name`) reaches; `ABSENT` if it is not there."""


def key_of(base: str, reads: Iterable[str], given: Given) -> str:
    """Return the digest of a task's code and settings (`base`) and all that it read. Raises StoreError."""
    lines = [base]
    for read in reads:
        lines += (read, digest_of_read(read, given))
    return text_digest("\n".join(lines))


def digest_of_read(read: str, given: Given) -> str:
    """Return the digest of one thing that was read; `ABSENT` if it is not there. Raises StoreError."""
    where, _, name = read.partition(".")
    if where == "self":
        return _own(name, given)
    if where == "current":
        return text_digest(given.current(name))
    if where == "code":
        return given.code(name)
    inputs = given.inputs
    if inputs is None:
        return ABSENT
    if not name:
        return str(len(inputs))
    chosen = inputs if where == "inputs" else [inputs[at] for at in _indexes(where) if at < len(inputs)]
    return text_digest("\n".join(_of_branch(name, branch, given) for branch in chosen))


def name_of(read: str) -> str:
    """Return what was read, without the digest that manifests note of code."""
    return read.partition("=")[0] if read.startswith("code.") else read


def is_ignored(read: str, ignored: Iterable[str]) -> bool:
    """Tell whether a user said that this may change."""
    short = read.removeprefix("self.")
    return any(name in (read, short) for name in ignored)


def of_inputs(name: str, indexes: Iterable[int], width: int) -> str:
    """Say that something of some inputs was read; of all of them, if naming them is long."""
    chosen = sorted(indexes)
    if len(chosen) == width or len(chosen) > _MOST_NAMED:
        return f"inputs.{name}"
    return f"inputs[{','.join(map(str, chosen))}].{name}"


def text_digest(text: str) -> str:
    """Return the digest of a text."""
    data = text.encode("utf-8", "surrogatepass")
    return digest_of([data], len(data))


def _own(name: str, given: Given) -> str:
    levels = _levels(given.frames)
    if name == "input":
        return _item(levels[-1], given.store) if levels else ABSENT
    if name == "index":
        return str(levels[-1].index) if levels else ABSENT
    if name == "foreach_stack":
        return _stack(levels, given.store)
    record = given.inherited.get(name)
    return ABSENT if record is None else f"{record.digest}{record.encoding}"


def _of_branch(name: str, branch: Manifest, given: Given) -> str:
    if name == "step()":
        return branch.step
    if name.endswith("()"):
        levels = _levels(branch.frames)
        return _stack(levels, given.store) if levels else ABSENT
    if name.startswith("*!"):
        skipped = frozenset(name[2:].split(","))
        records = sorted((key, record) for key, record in branch.artifacts.items() if key not in skipped)
        return " ".join(f"{key}={record.digest}{record.encoding}" for key, record in records)
    record = branch.artifacts.get(name)
    return ABSENT if record is None else f"{record.digest}{record.encoding}"


def _indexes(where: str) -> list[int]:
    return [int(text) for text in where.removeprefix("inputs[").removesuffix("]").split(",")]


def _levels(frames: Sequence[FrameRecord]) -> list[FrameRecord]:
    return [frame for frame in frames if frame.variable is not None]


def _stack(levels: Sequence[FrameRecord], store: LocalStore) -> str:
    return " ".join(f"{frame.index}/{frame.width}:{_item(frame, store)}" for frame in levels)


def _item(frame: FrameRecord, store: LocalStore) -> str:
    if frame.items is None:
        return str(frame.index)
    data = store.read_item_bytes(frame.items, frame.index, path=f"self.{frame.variable}")
    assert data is not None, "no limit was given"
    item = data.rstrip(
        b"\0"
    )  # the last item of a foreach is padded; lengths stand in front, so nothing is mixed up
    return digest_of([item], len(item))
