"""How a GET of an object is signed. Pure.

botocore signs anything; of what a scheduler asks of a bucket nearly all is the GET of a small object, for which its
generality costs more than the request itself.

Source: Signature Version 4, https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
"""

from __future__ import annotations

import hmac
import time
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

__all__ = ["Keys", "signed_get"]

_ALGORITHM = "AWS4-HMAC-SHA256"
_NOTHING = sha256().hexdigest()
"""Of a body that is empty."""


class Keys(NamedTuple):
    """Credentials."""

    access: str
    secret: str
    token: str | None = None
    """Of a session; None: they are a user's own."""


def signed_get(host: str, path: str, region: str, keys: Keys, at: float) -> dict[str, str]:
    """Return the headers, `Host` excepted, that a GET without a query is sent with.

    Args:
        host: As `Host` says it: without a port that is the scheme's own.
        path: Quoted, as it is sent.
        region: The bucket's.
        keys: Whose request it is.
        at: The time, seconds since the epoch.
    """
    moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(at))
    day = moment[:8]
    headers = {"x-amz-content-sha256": _NOTHING, "x-amz-date": moment}
    if keys.token:
        headers["x-amz-security-token"] = keys.token
    names = ";".join(("host", *headers))
    lines = "".join(f"{name}:{value}\n" for name, value in (("host", host), *headers.items()))
    request = f"GET\n{path}\n\n{lines}\n{names}\n{_NOTHING}"
    scope = f"{day}/{region}/s3/aws4_request"
    told = f"{_ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(keys.secret, day, region), told.encode(), "sha256").hex()
    headers["Authorization"] = (
        f"{_ALGORITHM} Credential={keys.access}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


@lru_cache(maxsize=8)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
