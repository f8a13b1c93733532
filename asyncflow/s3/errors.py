"""What can go wrong with a user's objects in S3, under Metaflow's names."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager

from asyncflow.errors import ExitCode, StoreError, UserError
from asyncflow.store.s3.address import InvalidAddress
from asyncflow.store.s3.failures import AccessDenied, BucketMissing, CredentialsError, RemoteStoreError

__all__ = [
    "MetaflowS3AccessDenied",
    "MetaflowS3Exception",
    "MetaflowS3InsufficientDiskSpace",
    "MetaflowS3InvalidObject",
    "MetaflowS3InvalidRange",
    "MetaflowS3NotFound",
    "MetaflowS3URLException",
    "telling",
]


class MetaflowS3Exception(UserError):
    """Base of all that goes wrong with S3."""

    headline = "S3 access failed"
    exit_code = ExitCode.FAILURE


class MetaflowS3InvalidObject(MetaflowS3Exception):
    """What is to be stored is no text, no bytes and no file."""

    headline = "Not a string-like object"


class MetaflowS3URLException(MetaflowS3Exception):
    """A key or an address cannot be one."""

    headline = "Invalid address"


class MetaflowS3AccessDenied(MetaflowS3Exception):
    """There are no credentials, or they are not allowed to do this."""

    headline = "S3 access denied"


class MetaflowS3NotFound(MetaflowS3Exception):
    """There is no such object, or no such bucket."""

    headline = "S3 object not found"


class MetaflowS3InvalidRange(MetaflowS3Exception):
    """The part that was asked for begins behind the object's end."""

    headline = "S3 invalid range"


class MetaflowS3InsufficientDiskSpace(MetaflowS3Exception):
    """There is no room on the disk for what is fetched."""

    headline = "Insufficient disk space"


@contextmanager
def telling() -> Generator[None]:
    """Raise what goes wrong within the block under its name here, with what was said and its cause."""
    try:
        yield
    except InvalidAddress as error:
        raise MetaflowS3URLException(error.message, hint=error.hint) from error
    except (AccessDenied, CredentialsError) as error:
        raise MetaflowS3AccessDenied(error.message, hint=error.hint) from error
    except BucketMissing as error:
        raise MetaflowS3NotFound(error.message, hint=error.hint) from error
    except (RemoteStoreError, StoreError) as error:
        raise MetaflowS3Exception(error.message, hint=error.hint) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MetaflowS3InsufficientDiskSpace(
                f"There is no room for what is fetched from S3: {error}",
                hint="Free some, or name a directory on another disk: S3(tmproot=...)",
            ) from error
        raise
