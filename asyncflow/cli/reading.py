"""Opens the store for commands that look at runs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from asyncflow.cli.errors import CommandError, NotFoundError

if TYPE_CHECKING:
    from asyncflow.events.reader import Reader
    from asyncflow.store.local import LocalStore

__all__ = ["OpenStore", "known_home", "local_home", "open_store"]


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


def local_home(doing: str) -> str:
    """Return the store's directory, for what can be done to a store on this machine only.

    Raises:
        NotFoundError: There is none, or nothing was ever run in it.
        CommandError: The store is in a bucket; says what cannot be done there.
    """
    from asyncflow.store.replica import remote_url

    home = known_home()
    url = remote_url(home)
    if url is not None:
        raise CommandError(
            f"{doing} a store in a bucket is not possible yet: {url}",
            hint="A lifecycle rule of the bucket can remove old objects; here it works on stores in a directory.",
        )
    return home


@contextmanager
def open_store() -> Iterator[OpenStore]:
    """Open the store that commands read. Raises NotFoundError if there is none, StoreError if it is damaged."""
    from asyncflow.client.reading import open_log

    home = known_home()
    with open_log(home) as reader:
        yield OpenStore(home, reader)
