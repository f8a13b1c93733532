"""What deleting means: grace for pods, dependents of owners, the contents of namespaces."""

from __future__ import annotations

from tests.services.kube.cluster import Cluster
from tests.services.kube.kinds import JOBS, KINDS, NAMESPACES, PODS, Kind
from tests.services.kube.objects import (
    ApiError,
    Object,
    is_deleting,
    name_of,
    namespace_of,
    timestamp,
    uid_of,
)
from tests.services.kube.scheduler import ENDED
from tests.services.kube.store import DELETED, Change, Inbox, Stored

BACKGROUND = "Background"
FOREGROUND = "Foreground"
ORPHAN = "Orphan"
_FOREGROUND_FINALIZER = "foregroundDeletion"
_SYSTEM = ("default", "kube-system", "kube-public")


class Deletion:
    """Deletes objects as the API server and the garbage collector do."""

    def __init__(self, cluster: Cluster) -> None:
        self._store = cluster.store
        self._inbox = Inbox()
        self._dependents: dict[str, dict[tuple[Kind, str, str], None]] = {}
        """By their owner's uid: kind, namespace, name."""
        cluster.store.listeners.append(self._hear)

    async def run(self) -> None:
        """Delete what is left without its owner, until cancelled."""
        while True:
            for change in await self._inbox.take():
                if change.type == DELETED:
                    self._collect(uid_of(change.item))
                    self._finish_namespace(namespace_of(change.item))
                    self._finish_owners(change.item)

    def delete(self, kind: Kind, stored: Stored, options: Object) -> Stored:
        """Delete an object; return it as it was last, or as it is until it is gone.

        Raises:
            ApiError: 409, it is not the object that the preconditions mean; 403, a system namespace.
        """
        item = stored.item
        _require(kind, item, options.get("preconditions") or {})
        if kind is NAMESPACES:
            return self._delete_namespace(stored)
        policy = options.get("propagationPolicy") or (ORPHAN if kind is JOBS else BACKGROUND)
        if options.get("orphanDependents"):
            policy = ORPHAN
        if kind is PODS:
            return self._delete_pod(stored, options.get("gracePeriodSeconds"))
        if policy == ORPHAN:
            self._orphan(uid_of(item))
        elif policy == FOREGROUND and self._dependents.get(uid_of(item)):
            return self._delete_after_dependents(kind, stored)
        return self._store.remove(kind, namespace_of(item), name_of(item)) or stored

    def _delete_pod(self, stored: Stored, asked: float | None) -> Stored:
        pod = stored.item
        grace = int(asked) if asked is not None else pod["spec"].get("terminationGracePeriodSeconds", 30)
        if not pod["spec"].get("nodeName") or pod["status"].get("phase") in ENDED:
            grace = 0
        if grace == 0:
            return self._store.remove(PODS, namespace_of(pod), name_of(pod)) or stored

        def change(item: Object) -> None:
            metadata = item["metadata"]
            metadata.setdefault("deletionTimestamp", timestamp())
            kept = metadata.get("deletionGracePeriodSeconds", grace)
            metadata["deletionGracePeriodSeconds"] = min(kept, grace)

        return self._store.modify(PODS, namespace_of(pod), name_of(pod), change) or stored

    def _delete_after_dependents(self, kind: Kind, stored: Stored) -> Stored:
        def change(item: Object) -> None:
            metadata = item["metadata"]
            metadata.setdefault("deletionTimestamp", timestamp())
            metadata.setdefault("deletionGracePeriodSeconds", 0)
            finalizers = metadata.setdefault("finalizers", [])
            if _FOREGROUND_FINALIZER not in finalizers:
                finalizers.append(_FOREGROUND_FINALIZER)

        kept = self._store.modify(kind, namespace_of(stored.item), name_of(stored.item), change)
        self._collect(uid_of(stored.item))
        return kept or stored

    def _delete_namespace(self, stored: Stored) -> Stored:
        name = name_of(stored.item)
        if name in _SYSTEM:
            raise ApiError(403, f'namespaces "{name}" is forbidden: this namespace may not be deleted')

        def change(item: Object) -> None:
            item["metadata"].setdefault("deletionTimestamp", timestamp())
            item["status"] = {"phase": "Terminating"}

        kept = self._store.modify(NAMESPACES, "", name, change)
        for kind in KINDS:
            for found in list(self._store.all(kind, name)) if kind.namespaced else []:
                self.delete(kind, found, {"propagationPolicy": BACKGROUND})
        self._finish_namespace(name)
        return kept or stored

    def _finish_namespace(self, name: str) -> None:
        namespace = self._store.find(NAMESPACES, "", name) if name else None
        if namespace is None or not is_deleting(namespace.item):
            return
        if not any(True for kind in KINDS if kind.namespaced for _ in self._store.all(kind, name)):
            self._store.remove(NAMESPACES, "", name)

    def _collect(self, uid: str) -> None:
        for kind, namespace, name in list(self._dependents.pop(uid, {})):
            found = self._store.find(kind, namespace, name)
            if found is not None:
                self.delete(kind, found, {"propagationPolicy": BACKGROUND})

    def _orphan(self, uid: str) -> None:
        for kind, namespace, name in list(self._dependents.pop(uid, {})):
            self._store.modify(kind, namespace, name, lambda item: _disown(item, uid))

    def _finish_owners(self, gone: Object) -> None:
        for owner in gone["metadata"].get("ownerReferences") or []:
            kind = next((one for one in KINDS if one.kind == owner["kind"]), None)
            found = self._store.find(kind, namespace_of(gone), owner["name"]) if kind else None
            if kind is None or found is None or uid_of(found.item) != owner["uid"]:
                continue
            waits = _FOREGROUND_FINALIZER in (found.item["metadata"].get("finalizers") or [])
            if waits and not self._living_dependents(owner["uid"]):
                self._store.modify(kind, namespace_of(gone), owner["name"], _unfinalize)

    def _living_dependents(self, uid: str) -> bool:
        return any(
            any(owner["uid"] == uid for owner in pod.item["metadata"].get("ownerReferences") or [])
            for pod in self._store.all(PODS)
        )

    def _hear(self, change: Change) -> None:
        place = (change.kind, namespace_of(change.item), name_of(change.item))
        for owner in change.item["metadata"].get("ownerReferences") or []:
            dependents = self._dependents.setdefault(owner["uid"], {})
            if change.type == DELETED:
                dependents.pop(place, None)
            else:
                dependents[place] = None
        if change.type == DELETED:
            self._inbox.put(change)


def _disown(item: Object, uid: str) -> None:
    owners = item["metadata"].get("ownerReferences") or []
    item["metadata"]["ownerReferences"] = [owner for owner in owners if owner["uid"] != uid]


def _unfinalize(item: Object) -> None:
    item["metadata"]["finalizers"].remove(_FOREGROUND_FINALIZER)


def _require(kind: Kind, item: Object, preconditions: Object) -> None:
    for key in ("uid", "resourceVersion"):
        wanted, found = preconditions.get(key), item["metadata"].get(key)
        if wanted is not None and wanted != found:
            what = "UID" if key == "uid" else "ResourceVersion"
            message = (
                f'Operation cannot be fulfilled on {kind.qualified} "{name_of(item)}": the {what} in the '
                f"precondition ({wanted}) does not match the {what} in record ({found}). "
                "The object might have been deleted and then recreated"
            )
            raise ApiError(409, message, details={"name": name_of(item), "kind": kind.plural})
