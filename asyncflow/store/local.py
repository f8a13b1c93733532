"""The store in a directory of this machine: blobs, manifests, foreach items."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from asyncflow.errors import StoreError
from asyncflow.store import compression, items
from asyncflow.store.blobs import BlobContent, has_blob, verify_blob, write_blob
from asyncflow.store.content import KIND_RAW, KIND_ZSTD, InlineContent, inlined
from asyncflow.store.digests import Buffer, digest_of
from asyncflow.store.failures import damaged, missing, read_failure, write_failure
from asyncflow.store.layout import pack_path
from asyncflow.store.manifest import ArtifactRecord, CardRecord, Items, Manifest
from asyncflow.store.manifests import decode_manifest, encode_manifest
from asyncflow.store.packs import Pack, append, sealed
from asyncflow.store.serializers import named, serializer_for, type_name
from asyncflow.store.unpicklable import unpicklable

__all__ = ["INLINE_BYTES", "MOST_INLINED_BYTES", "LocalStore"]

INLINE_BYTES = 4096
"""Artifacts whose stored bytes are at most this long are inlined in the manifest."""
MOST_INLINED_BYTES = 64 << 10
"""What the inlined artifacts of one manifest may add up to; those beyond go to blobs."""
_MOST_PACKS = 8
"""How many packs are remembered: some 300 KB each."""
_COMPRESS_AT_ONCE = 128 << 10
"""Up to this size a content is compressed to see whether that pays; above, a probe says."""


class LocalStore:
    """Reads and writes a store's directory. Holds no open file, so it may be forked and shared freely.

    Every method blocks. Writers in any number of processes are safe beside each other.
    """

    __slots__ = ("_packs", "root")

    def __init__(self, root: str) -> None:
        self.root = root
        """Absolute path of the store's directory."""
        self._packs: dict[str, Pack] = {}
        """Those read last, by path."""

    # Blobs

    def put_blob(self, buffers: Sequence[Buffer], *, what: str = "A blob") -> str:
        """Store a content given in pieces; return its digest. Raises StoreError."""
        size = sum(map(len, buffers))
        digest = digest_of(buffers, size)
        write_blob(self.root, digest, buffers, size, what=what)
        return digest

    def get_blob(self, digest: str, *, what: str = "A blob") -> memoryview:
        """Return a content as private writable memory, mapped if large. Raises StoreError."""
        return BlobContent(self.root, digest, None, what).view()

    def has_blob(self, digest: str) -> bool:
        """Say whether there is a file for the digest."""
        return has_blob(self.root, digest)

    def verify_blob(self, digest: str) -> None:
        """Read a whole blob and compare it with its digest. Raises StoreError."""
        verify_blob(self.root, digest)

    def digests(self) -> Iterator[str]:
        """Yield the digest of every blob there is, in no order."""
        try:
            prefixes = os.listdir(f"{self.root}/blobs")
        except FileNotFoundError:
            return
        for prefix in prefixes:
            for rest in os.listdir(f"{self.root}/blobs/{prefix}"):
                yield prefix + rest

    # Artifacts

    def dump(
        self,
        value: object,
        *,
        name: str = "",
        known: ArtifactRecord | None = None,
        inline_bytes: int = INLINE_BYTES,
    ) -> ArtifactRecord:
        """Store a value; return its record, with the bytes inlined if they are at most `inline_bytes`.

        `known` is a record the value may still be equal to: then that is returned, and nothing is written.
        Raises UnpicklableArtifact naming the part that cannot be stored, or StoreError.
        """
        kind = type(value)
        serializer = serializer_for(kind)
        try:
            buffers = serializer.dump(value)
        except Exception as error:
            raise unpicklable(f"self.{name}" if name else "the value", value, error) from error
        size = sum(map(len, buffers))
        digest = digest_of(buffers, size)
        if known is not None and known.digest == digest and known.encoding == serializer.name:
            return known
        inline = self._store(digest, buffers, size, what=f"Artifact `{name}`", inline_bytes=inline_bytes)
        return ArtifactRecord(digest, size, type_name(kind), serializer.name, inline, True)

    def load(self, record: ArtifactRecord, *, name: str = "") -> Any:  # Any: the user's object
        """Rebuild a value; arrays in it are writable, and use the file's pages until written to.

        Raises StoreError if its bytes are missing or damaged, or its type cannot be rebuilt in this process.
        """
        what = f"Artifact `{name}`"
        serializer = named(record.encoding)
        if record.inline is None:
            content = BlobContent(self.root, record.digest, record.size_bytes, what)
        else:
            content = InlineContent(record.inline, record.size_bytes)
        try:
            return serializer.load(content)
        except StoreError:
            raise
        except Exception as error:
            raise StoreError(
                f"{what} of type {record.type} cannot be rebuilt: {type(error).__name__}: {str(error)[:300]}",
                where=f"blob {record.digest}",
                hint="Install or import what its type needs; `asyncflow doctor` says if the store is damaged.",
            ) from error

    def _store(
        self, digest: str, buffers: Sequence[Buffer], size: int, *, what: str, inline_bytes: int
    ) -> bytes | None:
        """Return the content in inline form if that is short enough, else write it to a blob."""
        if size <= inline_bytes:
            return inlined(KIND_RAW, b"".join(buffers))
        frame = None
        if size <= _COMPRESS_AT_ONCE:
            frame = compression.compressed(buffers)
            if len(frame) <= inline_bytes:
                return inlined(KIND_ZSTD, frame)
        write_blob(self.root, digest, buffers, size, what=what, frame=frame)
        return None

    def fit_inline(self, artifacts: Mapping[str, ArtifactRecord]) -> dict[str, ArtifactRecord]:
        """Return the records with at most 64 KiB inlined in all; the last ones beyond that are moved to blobs."""
        fitted: dict[str, ArtifactRecord] = {}
        inlined_bytes = 0
        for name, record in artifacts.items():
            length = 0 if record.inline is None else len(record.inline)
            if length and inlined_bytes + length > MOST_INLINED_BYTES:
                record = self._to_blob(record, name)
            else:
                inlined_bytes += length
            fitted[name] = record
        return fitted

    def _to_blob(self, record: ArtifactRecord, name: str) -> ArtifactRecord:
        assert record.inline is not None
        content = InlineContent(record.inline, record.size_bytes).read()
        write_blob(self.root, record.digest, [content], len(content), what=f"Artifact `{name}`")
        return record._replace(inline=None)

    # Cards

    def write_card(self, made: CardRecord, packed: bytes) -> CardRecord:
        """Store what a card consists of; return its record, its bytes inlined if they are few. Raises StoreError."""
        digest = digest_of([packed], len(packed))
        inline = self._store(
            digest, [packed], len(packed), what=f"Card `{made.type}`", inline_bytes=INLINE_BYTES
        )
        return made._replace(digest=digest, size_bytes=len(packed), inline=inline)

    def read_card(self, card: CardRecord) -> bytes:
        """Return what a card consists of. Raises StoreError if it is missing or damaged."""
        what = f"Card `{card.type}`"
        if card.inline is None:
            return BlobContent(self.root, card.digest, card.size_bytes, what).read()
        try:
            return InlineContent(card.inline, card.size_bytes).read()
        except (ValueError, IndexError) as error:
            raise StoreError(f"{what} in the manifest cannot be read: {error}") from error

    # Foreach items

    def write_items(self, iterable: Iterable[object], *, path: str = "the foreach") -> Items:
        """Store the items of an iterable one at a time; see `asyncflow.store.items.write_items`."""
        return items.write_items(self.root, iterable, path=path)

    def read_item(self, of: Items, index: int, *, path: str = "the foreach") -> Any:  # Any: the user's object
        """Return one item of a foreach without reading the others. Raises StoreError."""
        data = self.read_item_bytes(of, index, path=path)
        assert data is not None
        return self.item_from(of, index, data, path=path)

    def read_item_bytes(
        self, of: Items, index: int, *, path: str = "the foreach", most_bytes: int | None = None
    ) -> bytearray | None:
        """Return the bytes of one item, for `item_from`; None if they are more than `most_bytes`. Raises StoreError."""
        return items.read_item_bytes(self.root, of, index, path=path, most_bytes=most_bytes)

    def item_from(
        self, of: Items, index: int, data: bytearray, *, path: str = "the foreach"
    ) -> Any:  # Any: the user's object
        """Rebuild an item from its bytes. Raises StoreError."""
        return items.item_from(self.root, of, index, data, path=path)

    # Manifests

    def write_manifest(self, manifest: Manifest) -> None:
        """Append an attempt's manifest to its pack; it counts instead of one that is there. Raises StoreError."""
        path = pack_path(self.root, manifest.run, manifest.task)
        try:
            append(path, sealed(manifest.task, manifest.attempt, encode_manifest(manifest)))
        except OSError as error:
            what = f"The result of attempt {manifest.attempt} of {manifest.step} (task {manifest.task})"
            raise write_failure(error, path, what) from error

    def read_manifest(self, run: int, task: int, attempt: int) -> Manifest:
        """Return an attempt's manifest. Raises StoreError if it is missing, damaged or cannot be read."""
        pack = self._pack(run, task)
        what = f"The manifest of run {run}, task {task}, attempt {attempt}"
        try:
            data = pack.read(task, attempt)
            if data is None:
                raise missing(pack.path, what)
            return decode_manifest(data)
        except OSError as error:
            raise read_failure(error, pack.path, what) from error
        except ValueError as error:
            raise damaged(pack.path, what, str(error), is_shared=True) from error

    def manifest_bytes(self, run: int, task: int, attempt: int) -> bytes | None:
        """Return an attempt's manifest as it lies in its pack; None if there is none. Raises StoreError."""
        pack = self._pack(run, task)
        try:
            return pack.read(task, attempt)
        except OSError as error:
            raise read_failure(error, pack.path, f"The manifest of run {run}, task {task}") from error

    def keep_manifest(self, run: int, task: int, attempt: int, body: bytes) -> None:
        """Append a manifest that was made elsewhere, as it lies in a pack there. Raises StoreError."""
        path = pack_path(self.root, run, task)
        try:
            append(path, sealed(task, attempt, body))
        except OSError as error:
            what = f"The manifest of run {run}, task {task}, attempt {attempt}"
            raise write_failure(error, path, what) from error

    def keep_manifests(self, run: int, manifests: Sequence[tuple[int, int, bytes]]) -> None:
        """Append those manifests that were made elsewhere and are not here.

        Args:
            run: The run.
            manifests: Task, attempt, and the body as it lies in a pack there.

        Raises:
            StoreError: They cannot be written, or what is there cannot be read.
        """
        by_path: dict[str, list[tuple[int, int, bytes]]] = {}
        for one in manifests:
            by_path.setdefault(pack_path(self.root, run, one[0]), []).append(one)
        for path, wanted in by_path.items():
            pack = self._pack(run, wanted[0][0])
            try:
                there = pack.read_all([(task, attempt) for task, attempt, _ in wanted])
            except OSError as error:
                raise read_failure(error, path, f"The manifests of run {run}") from error
            records = [sealed(*one) for one, known in zip(wanted, there, strict=True) if known != one[2]]
            try:
                if records:
                    append(path, b"".join(records))
            except OSError as error:
                raise write_failure(error, path, f"The manifests of run {run}") from error

    def discard_manifest(self, run: int, task: int, attempt: int) -> None:
        """Take back what stands where an attempt that is about to begin will leave its manifest, if anything does.

        That is the manifest of another run, whose id was given again because the database was lost or cut off; so it
        is looked for among what was there when this was first called. Raises StoreError.
        """
        pack = self._pack(run, task)
        try:
            if pack.was_there_before(task, attempt):
                append(pack.path, sealed(task, attempt, b""))
        except OSError as error:
            raise write_failure(error, pack.path, "An attempt's manifest") from error

    def has_manifest(self, run: int, task: int, attempt: int) -> bool:
        """Say whether an attempt left a manifest, and that whole."""
        try:
            entry = self._pack(run, task).find(task, attempt)
        except OSError:
            return False
        return entry is not None and entry.is_whole

    def _pack(self, run: int, task: int) -> Pack:
        path = pack_path(self.root, run, task)
        pack = self._packs.get(path)
        if pack is None:
            if len(self._packs) >= _MOST_PACKS:
                del self._packs[next(iter(self._packs))]
            pack = self._packs[path] = Pack(path)
        return pack
