"""A loaded flow's code package: the files of its directory, and what it adds to them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence

from asyncflow.flow.packaged import Added, added_to_package, suffixes_of
from asyncflow.settings import setting
from asyncflow.store.package.build import Package, build_package, default_suffixes, split_suffixes
from asyncflow.store.package.scan import Source, files_below, source_of

__all__ = ["package_of"]


def package_of(
    flow_class: type, flow_file: str, *, suffixes: Sequence[str] = (), directory: str | None = None
) -> Package:
    """Return the code package of a flow that is loaded, mutators and decorators attached. Blocks.

    Args:
        flow_class: The flow.
        flow_file: The file that defines it.
        suffixes: Of files to pack, besides the usual ones, those of the flow's mutators, and those of
            `ASYNCFLOW_PACKAGE_SUFFIXES`.
        directory: Where packages are kept. None: in the user's cache directory.

    Raises:
        UserError: Something cannot be packed.
        StoreError: The archive cannot be written.
    """
    asked = split_suffixes(setting("PACKAGE_SUFFIXES") or "")
    more = tuple(dict.fromkeys((*suffixes, *asked, *suffixes_of(flow_class))))
    extra = [
        source
        for added in added_to_package(flow_class, flow_file)
        for source in _files_of(added, (*default_suffixes(), *more))
    ]
    return build_package(flow_file, suffixes=more, extra=extra, directory=directory)


def _files_of(added: Added, suffixes: Sequence[str]) -> Iterator[Source]:
    if os.path.isdir(added.path):
        yield from files_below(
            added.path, ("",) if added.is_whole else suffixes, under=f"{added.name}/"
        ).files
    else:
        yield source_of(added.name, added.path)
