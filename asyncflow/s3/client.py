"""`S3`: a user's objects in a bucket, fetched into files and stored, many at once.

Requests run in threads of this process. Memory does not follow what is moved: small objects are fetched a megabyte at
a time for each thread, and of large ones few parts are under way together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from asyncflow.s3.errors import telling
from asyncflow.s3.files import Files
from asyncflow.s3.getting import fetched, known, listed, missing
from asyncflow.s3.opening import settings_of, worker_count
from asyncflow.s3.places import Root, Wanted, root_of, wanted
from asyncflow.s3.sending import Sent, as_sent, bytes_of
from asyncflow.s3.values import S3GetObject, S3Object, S3PutObject
from asyncflow.store.objects import NO_METADATA
from asyncflow.store.s3.address import S3Address, S3Settings
from asyncflow.store.s3.blocking import BlockingObjects

__all__ = ["S3"]

Key = str | S3GetObject


class S3:
    """Objects in S3, below a root or by their whole addresses. Enter it with `with`; files are removed in the end.

    Args:
        tmproot: Where fetched files lie. None: as METAFLOW_TEMPDIR says, else the working directory.
        bucket: Keys are below this bucket, and `prefix`.
        prefix: In `bucket`.
        run: A flow in one of its steps (`run=self`) or a Run: keys are below the place for its data, which
            METAFLOW_DATATOOLS_S3ROOT configures; or below `bucket` and `prefix`, if these are given.
        s3root: Keys are below this address.
        encryption: For what is stored, such as `AES256`.
        role: ARN of a role to take on.
        session_vars: Keys, `region_name` and `profile_name`.
        client_params: What botocore's `create_client` is given besides.
        external_client: A client of botocore or boto3 to use, in this process, in place of one of its own.

    Raises:
        MetaflowS3URLException: The root is told twice, or is none.
    """

    def __init__(
        self,
        tmproot: str | None = None,
        bucket: str | None = None,
        prefix: str | None = None,
        run: Any = None,  # Any: a flow, or the client's Run
        s3root: str | None = None,
        encryption: str | None = None,
        *,
        role: str | None = None,
        session_vars: Mapping[str, Any] | None = None,
        client_params: Mapping[str, Any] | None = None,
        external_client: Any = None,  # Any: made by botocore
    ) -> None:
        self._root: Root = root_of(run=run, s3root=s3root, bucket=bucket, prefix=prefix)
        self._settings: S3Settings = settings_of(
            encryption, role=role, session_vars=session_vars, client_params=client_params
        )
        self._client = external_client
        self._files = Files(tmproot)
        self._opened: BlockingObjects | None = None
        self._owner = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the files that were fetched, and end the connections. Safe to call twice."""
        self._files.remove()
        opened, self._opened = self._opened, None
        if opened is not None and self._owner == os.getpid():
            opened.close()

    # What there is

    def list_paths(self, keys: Iterable[str] | None = None) -> list[S3Object]:
        """Return what lies directly below each key: objects, and prefixes (`exists` is False) that end with a slash.

        None as `keys`: below the root. A key counts as a directory.
        """
        return self._list(keys, one_level=True)

    def list_recursive(self, keys: Iterable[str] | None = None) -> list[S3Object]:
        """Return all objects below each key, however deep. None as `keys`: below the root."""
        return self._list(keys, one_level=False)

    def info(self, key: str | None = None, return_missing: bool = False) -> S3Object:
        """Return what is known of an object, without its content. None as `key`: the root itself.

        Raises:
            MetaflowS3NotFound: It is not there, and `return_missing` is False.
        """
        return self._info(self._root.place(key), return_missing)

    def info_many(self, keys: Iterable[str], return_missing: bool = False) -> list[S3Object]:
        """Return what is known of objects, in the order of their keys. Raises as `info` does."""
        places = [self._root.place(key) for key in keys]
        return self._together(lambda place: self._info(place, return_missing), places)

    # To here

    def get(self, key: Key | None = None, return_missing: bool = False, return_info: bool = True) -> S3Object:
        """Fetch an object, or a part of one. None as `key`: the root itself.

        Args:
            key: Of the object, or an `S3GetObject`.
            return_missing: Where there is none, return an object that says so.
            return_info: Whether content type, metadata and the like are wanted, too.

        Raises:
            MetaflowS3NotFound: It is not there.
            MetaflowS3InvalidRange: The part begins behind its end.
        """
        return self._get(wanted(self._root, key), return_missing, return_info)

    def get_many(
        self, keys: Iterable[Key], return_missing: bool = False, return_info: bool = True
    ) -> list[S3Object]:
        """Fetch objects, in the order of their keys, which may be there twice. Raises as `get` does."""
        return self._get_many([wanted(self._root, key) for key in keys], return_missing, return_info)

    def get_recursive(self, keys: Iterable[str], return_info: bool = False) -> list[S3Object]:
        """Fetch all objects below each key."""
        return self._fetched(self.list_recursive(keys), return_info)

    def get_all(self, return_info: bool = False) -> list[S3Object]:
        """Fetch all objects below the root. Raises MetaflowS3URLException where there is no root."""
        return self._fetched(self.list_recursive(), return_info)

    # From here

    def put(
        self,
        key: str,
        obj: Any,  # Any: a text, bytes or an open file
        overwrite: bool = True,
        content_type: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Store a text, bytes or what an open file has; return the address. Without `overwrite`, what is there stays.

        Raises:
            MetaflowS3InvalidObject: It is nothing of these.
        """
        given = S3PutObject(key, obj, content_type=content_type, metadata=metadata)
        sent = as_sent(self._root, given)
        self._put(sent, overwrite)
        return sent.place.url

    def put_many(
        self, key_objs: Iterable[tuple[str, Any] | S3PutObject], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """Store values; return key and address of each that was stored, in order.

        Without `overwrite`, those that are there already stay, and are left out. Raises as `put` does.
        """
        return self._put_many([as_sent(self._root, given) for given in key_objs], overwrite)

    def put_files(
        self, key_paths: Iterable[tuple[str, str] | S3PutObject], overwrite: bool = True
    ) -> list[tuple[str, str]]:
        """Store files; return key and address of each that was stored, as `put_many` does.

        Raises:
            MetaflowS3NotFound: One of the files is not there.
        """
        several = [as_sent(self._root, given, is_file=True) for given in key_paths]
        return self._put_many(several, overwrite)

    # How

    def _list(self, keys: Iterable[str] | None, *, one_level: bool) -> list[S3Object]:
        places = [self._root.place(key) for key in ([None] if keys is None else keys)]

        def below(place: Wanted) -> list[S3Object]:
            found = self._at(place.bucket).list(place.below, one_level=one_level)
            return [listed(self._root, place, info) for info in found]

        return [one for several in self._together(below, places) for one in several]

    def _info(self, place: Wanted, return_missing: bool) -> S3Object:
        with telling():
            info = self._at(place.bucket).head(place.name)
        if info is None:
            return missing(place, self._root, return_missing)
        return known(place, self._root, info)

    def _get(self, asked: Wanted, return_missing: bool, return_info: bool) -> S3Object:
        path = self._files.new_path()
        with telling():
            objects = self._at(asked.bucket)
            whole = objects.head(asked.name) if asked.offset < 0 else None
            offset = asked.offset if whole is None else max(0, whole.size_bytes + asked.offset)
            info = objects.get_file(asked.name, path, offset=max(0, offset), length=asked.length)
        if info is None:
            return missing(asked, self._root, return_missing)
        return fetched(asked, self._root, info, path, offset, return_info)

    def _get_many(self, several: Sequence[Wanted], return_missing: bool, return_info: bool) -> list[S3Object]:
        once = list(dict.fromkeys(several))
        got = self._together(lambda asked: self._get(asked, return_missing, return_info), once)
        by_wanted = dict(zip(once, got, strict=True))
        return [by_wanted[asked] for asked in several]

    def _fetched(self, listed: Sequence[S3Object], return_info: bool) -> list[S3Object]:
        places = [self._root.place(one.key)._replace(prefix=one.prefix) for one in listed]
        return self._get_many(places, False, return_info)

    def _put(self, sent: Sent, overwrite: bool) -> bool:
        """Store something; tell whether it was stored."""
        data = b"" if sent.path is not None else bytes_of(sent.value, self._files.new_path)
        path = data if isinstance(data, str) else sent.path
        kept: dict[str, Any] = {"content_type": sent.content_type, "metadata": sent.metadata or NO_METADATA}
        try:
            with telling():
                objects = self._at(sent.place.bucket, sent.encryption)
                if path is not None:
                    return objects.put_file(sent.place.name, path, only_new=not overwrite, **kept)
                assert not isinstance(data, str)
                if not overwrite:
                    return objects.put_new(sent.place.name, data, **kept)
                objects.put(sent.place.name, data, **kept)
                return True
        finally:
            if isinstance(data, str):
                with suppress(OSError):
                    os.unlink(data)

    def _put_many(self, several: Sequence[Sent], overwrite: bool) -> list[tuple[str, str]]:
        stored = self._together(lambda sent: self._put(sent, overwrite), several)
        return [
            (sent.place.key, sent.place.url)
            for sent, was_stored in zip(several, stored, strict=True)
            if was_stored
        ]

    def _together(
        self, do: Any, several: Sequence[Any]
    ) -> list[Any]:  # Any: a function of one, and its results
        with telling():
            return self._objects().together(do, several, most=worker_count())

    def _at(self, bucket: str, encryption: str | None = None) -> BlockingObjects:
        return self._objects().at(S3Address(bucket, ""), encryption=encryption)

    def _objects(self) -> BlockingObjects:
        """Return what speaks with the server; in a process that was forked, something of its own."""
        opened = self._opened
        if opened is None or self._owner != os.getpid():
            with telling():
                opened = BlockingObjects(
                    S3Address("", ""), self._settings, threads=worker_count(), client=self._client
                )
            self._opened, self._owner = opened, os.getpid()
        return opened
