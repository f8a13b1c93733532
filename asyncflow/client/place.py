"""Where the client reads: the store, with one open database for each thread, and the namespace."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict

from asyncflow.client.errors import NoSuchObject
from asyncflow.client.reading import open_log
from asyncflow.errors import UserError
from asyncflow.events.reader import Reader
from asyncflow.machine.events import RunCreated
from asyncflow.machine.graph import Graph
from asyncflow.settings import apply_files
from asyncflow.store.home import HOME_VARIABLE, find_home
from asyncflow.store.layout import DATABASE, SPIN_STORE, STORE_DIRECTORY, remote_path
from asyncflow.store.local import LocalStore
from asyncflow.users import user_name

__all__ = [
    "Place",
    "current_place",
    "default_metadata",
    "default_namespace",
    "get_metadata",
    "get_namespace",
    "inspect_spin",
    "metadata",
    "namespace",
    "place_at",
]

_MOST_GRAPHS = 64


class Place:
    """A store to read, from any thread.

    Args:
        home: Absolute path of the store's directory; empty: there is none, and so nothing in it.
    """

    def __init__(self, home: str) -> None:
        self.home = home
        self.store = LocalStore(home)
        self._local = threading.local()
        self._beginnings: OrderedDict[int, RunCreated] = OrderedDict()

    @property
    def has_runs(self) -> bool:
        """Something was run here."""
        return bool(self.home) and (os.path.exists(self.database) or os.path.exists(remote_path(self.home)))

    @property
    def database(self) -> str:
        """Path of the event log."""
        return f"{self.home}/{DATABASE}"

    @property
    def reader(self) -> Reader:
        """This thread's reader. Raises NoSuchObject if there is no store, StoreError if it cannot be read."""
        if not self.has_runs:
            raise NoSuchObject(
                f"There is no run here: no store in {self.home or os.getcwd()}",
                hint=f"Change to where flows were run, set {HOME_VARIABLE}, or call metadata('PATH').",
            )
        known = getattr(self._local, "reader", None)
        if known is None or known[0] != os.getpid():  # a database must not be used across a fork
            known = self._local.reader = (os.getpid(), open_log(self.home))
        return known[1]

    def beginning(self, run: int) -> RunCreated:
        """Return the event a run begins with. Raises NoSuchObject if its log is lost."""
        found = self._beginnings.get(run)
        if found is None:
            events = self.reader.events(run)
            try:
                first = next(events, (0, None))[1]
            finally:
                events.close()
            if not isinstance(first, RunCreated):
                raise NoSuchObject(
                    f"The log of run {run} has no beginning", hint="See what is there: asyncflow doctor"
                )
            found = self._beginnings[run] = first
            if len(self._beginnings) > _MOST_GRAPHS:
                self._beginnings.popitem(last=False)
        return found

    def graph(self, run: int) -> Graph:
        """Return the graph a run was started with."""
        return Graph.from_data(self.beginning(run).graph)


class _Global:
    """What `namespace` and `metadata` set, for the whole process."""

    namespace: str | None = None
    is_namespace_set = False
    home: str | None = None
    places: dict[str, Place] = {}  # noqa: RUF012 - there is one


def namespace(ns: str | None) -> str | None:
    """Look only at runs with that tag from now on; None: at all runs. Returns what was set."""
    _Global.namespace, _Global.is_namespace_set = ns, True
    return ns


def get_namespace() -> str | None:
    """Return the tag that runs must have to be seen; None: all are."""
    return _Global.namespace if _Global.is_namespace_set else _of_user()


def default_namespace() -> str:
    """Go back to looking at one's own runs; return that namespace."""
    _Global.namespace, _Global.is_namespace_set = None, False
    return _of_user()


def inspect_spin(datastore_root: str | None = None) -> str:
    """Look, from now on, at what `spin --persist` has kept; return where that is, as `metadata` does.

    Args:
        datastore_root: The store's directory, or one that has it. None: the store that commands use here.

    Raises:
        UserError: Nothing was spun there and kept.
    """
    home = find_home(datastore_root, is_named=datastore_root is None)
    place = f"{home or os.path.abspath(datastore_root or STORE_DIRECTORY)}/{SPIN_STORE}"
    if not os.path.isdir(place):
        raise UserError(
            f"Nothing that was spun is kept in {place}", hint="asyncflow spin FLOW.py STEP --persist"
        )
    return metadata(place)


def metadata(where: str) -> str:
    """Read the store in a directory from now on, as `/path` or `local@/path`; return it in the second form.

    Args:
        where: A directory that has a `.asyncflow`, or that itself.

    Raises:
        UserError: There is no store, or it is on a kind of service that this release does not know.
    """
    kind, has_kind, path = where.partition("@")
    if not has_kind:
        kind, path = "local", where
    if kind != "local" or "://" in path:
        raise UserError(
            f"'{where}' is no store that can be read: there is only local@/path",
            hint="asyncflow has no metadata service: runs are recorded in a directory.",
        )
    path = os.path.abspath(os.path.expanduser(path))
    home = os.path.join(path, STORE_DIRECTORY) if os.path.isdir(os.path.join(path, STORE_DIRECTORY)) else path
    if not os.path.exists(os.path.join(home, DATABASE)):
        raise UserError(f"There is no store in {path}", hint=f"It would have a directory {STORE_DIRECTORY}.")
    _Global.home = home
    return get_metadata()


def get_metadata() -> str:
    """Return where runs are read from, as `local@/path`."""
    return f"local@{current_place().home}"


def default_metadata() -> str:
    """Go back to the store of the working directory; return it as `local@/path`."""
    _Global.home = None
    return get_metadata()


def current_place() -> Place:
    """Return the store that is read now. Raises StoreError if what is found is no store."""
    if _Global.home is None:
        apply_files()
    return place_at(_Global.home or find_home() or "")


def place_at(home: str) -> Place:
    """Return the store in a directory; the same object for the same directory."""
    if home not in _Global.places:
        _Global.places[home] = Place(home)
    return _Global.places[home]


def _of_user() -> str:
    token = os.environ.get("ASYNCFLOW_PRODUCTION_TOKEN") or os.environ.get("METAFLOW_PRODUCTION_TOKEN")
    return f"production:{token}" if token else f"user:{user_name()}"
