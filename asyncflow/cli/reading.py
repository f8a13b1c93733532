"""Opens the store for commands that look at runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from asyncflow.cli.errors import NotFoundError

if TYPE_CHECKING:
    from asyncflow.events.reader import Reader
    from asyncflow.store.local import LocalStore

__all__ = ["OpenStore", "known_home", "open_store"]


class OpenStore(NamedTuple):
    """A store to read."""

    home: str
    reader: Reader

    @property
    def artifacts(self) -> LocalStore:
        """Blobs and manifests."""
        from asyncflow.store.local import LocalStore

        return LocalStore(self.home)


def known_home() -> str:
    """Return the store's directory.

    Raises:
        NotFoundError: There is none, or nothing was ever run in it.
    """
    from asyncflow.store.home import HOME_VARIABLE, find_home
    from asyncflow.store.layout import DATABASE
    from asyncflow.store.replica import remote_url

    home = find_home()
    if home is not None and (os.path.exists(os.path.join(home, DATABASE)) or remote_url(home) is not None):
        return home
    place = os.environ.get(HOME_VARIABLE)
    where = f"at {place} ({HOME_VARIABLE})" if place else f"in {os.getcwd()} or above it"
    raise NotFoundError(
        f"There is no run here: no store {where}" if home is None else f"There is no run yet in {home}",
        hint=f"Start one: asyncflow run FLOW.py. Is the store elsewhere? Change there, or set {HOME_VARIABLE}.",
    )


@contextmanager
def open_store() -> Iterator[OpenStore]:
    """Open the store that commands read. Raises NotFoundError if there is none, StoreError if it is damaged."""
    from asyncflow.client.reading import open_log

    home = known_home()
    with open_log(home) as reader:
        yield OpenStore(home, reader)
