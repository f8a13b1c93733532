"""What keys mean: below a root, or as whole addresses. Pure, but for settings and `current`."""

from __future__ import annotations

from typing import Any, NamedTuple

from asyncflow.s3.errors import MetaflowS3URLException, telling
from asyncflow.s3.values import S3GetObject
from asyncflow.settings import setting
from asyncflow.store.s3.address import parse_url

__all__ = ["Root", "Wanted", "root_of", "wanted"]

_SCHEME = "s3://"


class Wanted(NamedTuple):
    """An object, or all those below a prefix, and what is wanted of it."""

    key: str
    """As the user is to see it."""
    url: str
    bucket: str
    name: str
    """The whole key in the bucket; empty: the bucket itself."""
    offset: int = 0
    length: int | None = None
    is_part: bool = False
    prefix: str | None = None
    """The address below which it was found; None: the root."""

    @property
    def below(self) -> str:
        """What the keys of objects below begin with."""
        return f"{self.name.rstrip('/')}/" if self.name else ""


class Root(NamedTuple):
    """What all keys are below."""

    url: str | None
    """Without a slash at its end; None: keys are whole addresses."""

    def place(self, key: object) -> Wanted:
        """Return what a key means; None: the root itself.

        Raises:
            MetaflowS3URLException: It is no key, or an address where a key below the root is wanted, or the other way.
        """
        if key is None:
            if self.url is None:
                raise MetaflowS3URLException(
                    "There is no root, so something has to be named",
                    hint="Give a key, or a root: S3(run=self), S3(s3root=...)",
                )
            return self._parsed(self.url, "")
        if not isinstance(key, str):
            raise MetaflowS3URLException(f"A key is a text, and not {key!r:.100}")
        if self.url is None:
            if not key.startswith(_SCHEME):
                raise MetaflowS3URLException(
                    f"'{key}' is no address like s3://bucket/key, and there is no root it could be below",
                    hint="Give a root: S3(run=self), S3(s3root=...) or S3(bucket=..., prefix=...)",
                )
            return self._parsed(key, key)
        if key.startswith(_SCHEME) or key.startswith("/"):
            raise MetaflowS3URLException(
                f"'{key}' is no key below {self.url}",
                hint="With a root, keys are relative to it; for whole addresses, make an S3() without one.",
            )
        return self._parsed(f"{self.url}/{key}", key)

    def key_of(self, bucket: str, name: str) -> tuple[str, str]:
        """Return the key, as the user is to see it, and the address of an object in a bucket."""
        url = f"{_SCHEME}{bucket}/{name}"
        return (url if self.url is None else url[len(self.url) + 1 :]), url

    def _parsed(self, url: str, key: str) -> Wanted:
        with telling():
            address = parse_url(url)
        return Wanted(key, url, address.bucket, url.partition("://")[2].partition("/")[2])


def wanted(root: Root, key: object) -> Wanted:
    """Return what is to be got for a key or an `S3GetObject`. Raises MetaflowS3URLException."""
    if not isinstance(key, S3GetObject):
        return root.place(key)
    length = None if key.length is None or key.length < 0 else key.length
    return root.place(key.key)._replace(offset=key.offset, length=length, is_part=True)


def root_of(
    *, run: Any, s3root: str | None, bucket: str | None, prefix: str | None
) -> Root:  # Any: a flow or a Run
    """Return the root that `S3(...)` is asked for.

    Raises:
        MetaflowS3URLException: More than one is named, or what is named is none, or no place for runs is configured.
    """
    if run is None and s3root is None and bucket is None and prefix is None:
        return Root(None)
    if s3root is not None and (run is not None or bucket is not None or prefix is not None):
        raise MetaflowS3URLException("s3root is given with run, bucket or prefix", hint="Give one of them.")
    if bucket is None and prefix is not None:
        raise MetaflowS3URLException("A prefix is given without a bucket", hint="S3(bucket=..., prefix=...)")
    base = s3root
    if bucket is not None:
        base = f"{_SCHEME}{bucket.removeprefix(_SCHEME).strip('/')}/{(prefix or '').strip('/')}"
    if run is not None:
        base = f"{(base or _data_root()).rstrip('/')}/{_pathspec_of(run)}"
    assert base is not None
    with telling():
        return Root(parse_url(base).url)


def _data_root() -> str:
    """Return where the data of runs lie."""
    named = setting("DATATOOLS_S3ROOT")
    if named:
        return named
    store = setting("DATASTORE_SYSROOT_S3") or setting("STORE") or ""
    if store.startswith(_SCHEME):
        return f"{store.rstrip('/')}/{setting('DATATOOLS_SUFFIX') or 'data'}"
    raise MetaflowS3URLException(
        "S3(run=...) needs a place in S3 for the data of runs, and none is configured",
        hint="Set ASYNCFLOW_DATATOOLS_S3ROOT=s3://bucket/prefix (or METAFLOW_DATATOOLS_S3ROOT).",
    )


def _pathspec_of(run: Any) -> str:  # Any: a flow that runs, or the client's Run
    pathspec = getattr(run, "pathspec", None)
    if isinstance(pathspec, str):
        return pathspec
    from asyncflow.flow.current import current  # only in a step

    flow, number = current.get("flow_name"), current.get("run_id")
    if flow is None or number is None:
        raise MetaflowS3URLException(
            "S3(run=...) is given a flow, and no run of it is going on here",
            hint="Use it within a step with run=self, or give a Run of the client.",
        )
    return f"{flow}/{number}"
