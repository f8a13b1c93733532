"""Where a bucket is: `s3://bucket/prefix`, and what the environment says about the server behind it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from asyncflow.errors import StoreError, UserError
from asyncflow.records import record
from asyncflow.store.s3.policy import MOST_TRIES

__all__ = ["InvalidAddress", "S3Address", "S3Settings", "parse_url"]

_SCHEMES = ("s3", "s3n", "s3a")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")


class InvalidAddress(UserError):
    """What was given is no address in a bucket."""

    headline = "Invalid S3 address"


class S3Address(NamedTuple):
    """A bucket, and what all keys begin with."""

    bucket: str
    prefix: str
    """Without slashes at its ends; empty: the whole bucket."""

    @property
    def url(self) -> str:
        """As one writes it, without a slash at the end."""
        return f"s3://{self.bucket}/{self.prefix}" if self.prefix else f"s3://{self.bucket}"

    def full_key(self, key: str) -> str:
        """Return the key in the bucket of what is called `key` below the prefix."""
        return f"{self.prefix}/{key}" if self.prefix else key


def parse_url(url: str) -> S3Address:
    """Read `s3://bucket/prefix`. Raises InvalidAddress."""
    scheme, has_scheme, rest = url.partition("://")
    bucket, _, prefix = rest.partition("/")
    if not has_scheme or scheme not in _SCHEMES:
        raise InvalidAddress(f"'{url}' is no address in a bucket", hint="Write it like s3://bucket/prefix")
    if not _BUCKET.fullmatch(bucket):
        raise InvalidAddress(
            f"'{url}' has no bucket that could be one: '{bucket}'", hint="Write it like s3://bucket/prefix"
        )
    return S3Address(bucket, prefix.strip("/"))


@record
class S3Settings:
    """How the server is reached. Credentials are not here: botocore finds them where it always does."""

    endpoint_url: str | None = None
    """None: AWS."""
    region: str | None = None
    """None: what AWS's own configuration says, else us-east-1."""
    path_style: bool = False
    """`https://host/bucket/key` in place of `https://bucket.host/key`."""
    verify: bool | str = True
    """Path of a file with certificate authorities; False: trust everybody."""
    encryption: str | None = None
    """`AES256` or `aws:kms`, for what is written."""
    profile: str | None = None
    """Of AWS's configuration files. None: as the environment says."""
    role: str | None = None
    """ARN of a role that is taken on."""
    tries: int = MOST_TRIES
    """Of one request, the first one included."""
    client_options: Mapping[str, Any] | None = None  # Any: keyword arguments of botocore's create_client
    """What a program gives for its own client, such as credentials."""

    @classmethod
    def from_environment(cls) -> S3Settings:
        """Read ASYNCFLOW_S3_*, Metaflow's METAFLOW_S3_* and AWS's variables, in this order.

        Raises:
            StoreError: A file with certificate authorities is named that is not there, or a number is none.
        """
        endpoint = _first("S3_ENDPOINT_URL") or os.environ.get("AWS_ENDPOINT_URL_S3")
        endpoint = endpoint or os.environ.get("AWS_ENDPOINT_URL") or None
        style = os.environ.get("ASYNCFLOW_S3_ADDRESSING_STYLE", "path" if endpoint else "auto")
        return cls(
            endpoint_url=endpoint,
            region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or None,
            path_style=style == "path",
            verify=_verify(),
            encryption=_first("S3_SERVER_SIDE_ENCRYPTION"),
            tries=_tries(),
        )


def _first(name: str) -> str | None:
    return os.environ.get(f"ASYNCFLOW_{name}") or os.environ.get(f"METAFLOW_{name}") or None


def _tries() -> int:
    """Return how often a request is tried, by the variables that count what follows the first."""
    given = _first("S3_TRANSIENT_RETRY_COUNT") or _first("S3_RETRY_COUNT")
    if given is None:
        return MOST_TRIES
    if not given.isdigit():
        raise StoreError(
            f"'{given}' is no number of retries",
            hint="ASYNCFLOW_S3_RETRY_COUNT, METAFLOW_S3_RETRY_COUNT or their ..._S3_TRANSIENT_RETRY_COUNT says so.",
        )
    return int(given) + 1


def _verify() -> bool | str:
    given = _first("S3_VERIFY_CERTIFICATE")
    if given is not None and given.lower() in ("0", "false", "no"):
        return False
    if given is not None and given.lower() in ("1", "true", "yes"):
        given = None
    path = given or os.environ.get("AWS_CA_BUNDLE")
    if path is None:
        return True
    if not os.path.isfile(path):
        raise StoreError(
            f"The file of certificate authorities for S3 is not there: {path}",
            hint="It is named by ASYNCFLOW_S3_VERIFY_CERTIFICATE, METAFLOW_S3_VERIFY_CERTIFICATE or AWS_CA_BUNDLE.",
        )
    return path
