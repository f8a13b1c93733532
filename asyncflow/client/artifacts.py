"""The artifacts of an attempt: what each is, and its value, or why that cannot be had."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asyncflow.machine.ids import ManifestKey
from asyncflow.records import record
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import ArtifactRecord, Manifest

__all__ = ["Artifact", "artifacts_of"]


@record(kw_only=False)
class Artifact:
    """One artifact; nothing is loaded until `value` is called."""

    name: str
    record: ArtifactRecord
    _store: LocalStore

    @property
    def is_private(self) -> bool:
        """Not meant for people: its name begins with an underscore, or it is the flow's name."""
        return self.name.startswith("_") or self.name == "name"

    def value(self) -> Any:  # Any: the user's object
        """Load the value.

        Raises:
            StoreError: Its bytes are missing or damaged, or its type cannot be rebuilt in this process.
        """
        return self._store.load(self.record, name=self.name)


def artifacts_of(store: LocalStore, key: ManifestKey) -> Iterator[Artifact]:
    """Yield what was visible after an attempt, inherited artifacts included, by name.

    Raises:
        StoreError: The attempt left no manifest, or it is damaged.
    """
    manifest: Manifest = store.read_manifest(*key)
    for name in sorted(manifest.artifacts):
        yield Artifact(name, manifest.artifacts[name], store)
