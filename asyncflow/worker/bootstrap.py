"""What a container is started with: fetches a code package, checks it, unpacks it, and runs the worker in it.

`container.bootstrap_command` sends this file's own text, without what only people read. So nothing but Python's
standard library is used, of any version that may be found in an image, if only to say that it is too old. All is in
one place: an S3 client that can do one thing (GET, signed), and what AWS's libraries do to find credentials:
environment variables, a web identity (IRSA), a profile's keys, a container's credentials (ECS, EKS Pod Identity), an
instance's role.
Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html,
https://docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html
"""

from __future__ import annotations

import configparser
import hashlib
import hmac
import json
import os
import random
import re
import ssl
import sys
import tarfile
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, NoReturn

__all__ = [
    "EXIT_NOT_FETCHED",
    "EXIT_NOT_STARTABLE",
    "Unavailable",
    "fetch",
    "find_keys",
    "main",
    "signed_request",
    "unpack",
]

EXIT_NOT_FETCHED = 75
"""Of the container: its package could not be got; elsewhere or later it may."""
EXIT_NOT_STARTABLE = 78
"""Of the container: this image cannot run a worker, however often it is tried."""
_TRIES = int(os.environ.get("ASYNCFLOW_PACKAGE_TRIES") or 6)
_LONGEST_PAUSE_S = 20.0
_TIMEOUT_S = 30
_CHUNK_BYTES = 1 << 20
_RETRIED = (408, 409, 425, 429, 500, 502, 503, 504)


class Unavailable(Exception):
    """Something could not be got, and that is the server's last word."""


def main(arguments: list[str]) -> None:
    """Fetch, check and unpack a package, and become its worker.

    Args:
        arguments: The package's address, its SHA-256 in hex, and what the worker is told.
    """
    url, digest = arguments[:2]
    if sys.version_info < (3, 11):  # noqa: UP036 - that is the question
        _end(
            EXIT_NOT_STARTABLE,
            f"this image has Python {sys.version.split()[0]}, and asyncflow needs 3.11 or newer",
        )
    _say("Setting up task environment.")
    try:
        root = tempfile.mkdtemp(prefix="asyncflow-", dir=os.environ.get("ASYNCFLOW_TEMPDIR") or None)
    except OSError as error:
        _end(EXIT_NOT_STARTABLE, f"there is no directory to unpack code in ({error}): set TMPDIR")
    _say("Downloading code package...")
    try:
        fetch(url, digest, root + "/package")
        unpack(root + "/package", root)
    except (Unavailable, OSError, ValueError, EOFError, tarfile.TarError) as error:
        _end(EXIT_NOT_FETCHED, f"the code package {_shown(url)} could not be got: {error}")
    os.unlink(root + "/package")
    _say("Code package downloaded.")
    _say("Task is starting.")
    os.chdir(root)
    os.execv(sys.executable, [sys.executable, "-P", root + "/.asyncflow-package/start.py", *arguments[2:]])


def fetch(url: str, digest: str, path: str) -> None:
    """Write what lies at an address into a file, with several tries.

    Args:
        url: `s3://bucket/key`, `https://...`, `http://...`, `file://...` or a path.
        digest: SHA-256 in hex of what it must be.
        path: The file.

    Raises:
        Unavailable: It could not be got, or is something else.
    """
    why = ""
    for tries in range(1, _TRIES + 1):
        try:
            found = _fetch_once(url, path)
            if found == digest:
                return
            why = f"it has the SHA-256 {found} instead of {digest}"
        except urllib.error.HTTPError as error:
            why = _told(error)
            if error.code not in _RETRIED:
                raise Unavailable(why) from None
        except (OSError, ValueError, EOFError) as error:
            why = str(getattr(error, "reason", error)) or type(error).__name__
        if tries < _TRIES:
            time.sleep(random.random() * min(_LONGEST_PAUSE_S, 0.5 * 2**tries))
    raise Unavailable(f"{why} ({_TRIES} tries)")


def _fetch_once(url: str, path: str) -> str:
    hasher = hashlib.sha256()
    with _opened(url) as source, open(path, "wb") as target:
        while True:
            data = source.read(_CHUNK_BYTES)
            if not data:
                return hasher.hexdigest()
            hasher.update(data)
            target.write(data)


def _opened(url: str) -> Any:  # Any: a file to read
    scheme, has_scheme, rest = url.partition("://")
    if not has_scheme:
        return open(url, "rb")
    if scheme == "file":
        return open(urllib.parse.unquote(rest[rest.find("/") :]), "rb")
    if scheme != "s3":
        return _open(urllib.request.Request(url))
    bucket, _, key = rest.partition("/")
    region = _setting("AWS_REGION", "AWS_DEFAULT_REGION") or "us-east-1"
    try:
        return _open(signed_request(bucket, key, region, find_keys(region)))
    except urllib.error.HTTPError as error:
        there = error.headers.get("x-amz-bucket-region")
        if not there or there == region:
            raise
        return _open(signed_request(bucket, key, there, find_keys(region)))


# S3


def signed_request(
    bucket: str, key: str, region: str, keys: tuple[str, str, str], now: float | None = None
) -> Any:  # Any: a request
    """Return a GET of an object, signed with version 4 of AWS's signature.

    Args:
        bucket: Its name.
        key: The object's.
        region: Where the bucket is.
        keys: See `find_keys`.
        now: Seconds since the epoch. None: by the clock.
    """
    base = _endpoint(bucket, region)
    url = base + "/" + urllib.parse.quote(key, safe="/-_.~")
    parts = urllib.parse.urlsplit(url)
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    empty = hashlib.sha256(b"").hexdigest()
    headers = {"host": parts.netloc, "x-amz-content-sha256": empty, "x-amz-date": stamp}
    if keys[2]:
        headers["x-amz-security-token"] = keys[2]
    names = ";".join(sorted(headers))
    lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
    asked = "\n".join(("GET", parts.path, "", lines, names, empty))
    scope = f"{stamp[:8]}/{region}/s3/aws4_request"
    text = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(asked.encode()).hexdigest()))
    secret = ("AWS4" + keys[1]).encode()
    for part in (stamp[:8], region, "s3", "aws4_request"):
        secret = hmac.new(secret, part.encode(), "sha256").digest()
    signature = hmac.new(secret, text.encode(), "sha256").hexdigest()
    given = f"Credential={keys[0]}/{scope}, SignedHeaders={names}, Signature={signature}"
    headers["authorization"] = f"AWS4-HMAC-SHA256 {given}"
    return urllib.request.Request(url, headers=headers)


def _endpoint(bucket: str, region: str) -> str:
    """Return the address of a bucket, without a slash at its end."""
    given = _setting(
        "ASYNCFLOW_S3_ENDPOINT_URL", "METAFLOW_S3_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"
    )
    style = os.environ.get("ASYNCFLOW_S3_ADDRESSING_STYLE", "path" if given else "auto")
    base = given.rstrip("/") or _aws("s3", region)
    scheme, _, host = base.partition("://")
    if style == "path" or (style == "auto" and ("." in bucket or given)):
        return base + "/" + bucket
    return f"{scheme}://{bucket}.{host}"


def _aws(service: str, region: str) -> str:
    return f"https://{service}.{region}.amazonaws.com" + (".cn" if region[:3] == "cn-" else "")


# Credentials


def find_keys(region: str) -> tuple[str, str, str]:
    """Return access key, secret key and session token (empty: none), from where AWS's libraries find them, too.

    Raises:
        Unavailable: There are none.
        OSError: Who has them cannot be asked.
    """
    env = os.environ
    if env.get("AWS_ACCESS_KEY_ID") and env.get("AWS_SECRET_ACCESS_KEY"):
        return env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], env.get("AWS_SESSION_TOKEN", "")
    for look in (_of_web_identity, _of_profile, _of_container, _of_instance):
        found = look(region)
        if found:
            return found
    raise Unavailable(
        "there are no AWS credentials in this container: give it a role, or set AWS_ACCESS_KEY_ID"
    )


def _of_web_identity(region: str) -> tuple[str, str, str] | None:
    path, role = os.environ.get("AWS_WEB_IDENTITY_TOKEN_FILE"), os.environ.get("AWS_ROLE_ARN")
    if not path or not role:
        return None
    with open(path) as file:
        token = file.read().strip()
    asked = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": role,
        "RoleSessionName": os.environ.get("AWS_ROLE_SESSION_NAME") or "asyncflow-worker",
        "WebIdentityToken": token,
    }
    url = _setting("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL")
    url = url or _aws("sts", region)
    with _open(
        urllib.request.Request(url.rstrip("/") + "/", urllib.parse.urlencode(asked).encode())
    ) as answer:
        told = answer.read().decode()
    names = ("AccessKeyId", "SecretAccessKey", "SessionToken")
    found = [one.group(1) for one in [re.search(f"<{name}>([^<]*)", told) for name in names] if one]
    if len(found) < len(names):
        raise ValueError("STS told no credentials")
    return found[0], found[1], found[2]


def _of_profile(region: str) -> tuple[str, str, str] | None:
    env = os.environ
    profile = env.get("AWS_PROFILE") or env.get("AWS_DEFAULT_PROFILE") or "default"
    read = configparser.RawConfigParser()
    read.read(
        os.path.expanduser(path)
        for path in (
            env.get("AWS_CONFIG_FILE") or "~/.aws/config",
            env.get("AWS_SHARED_CREDENTIALS_FILE") or "~/.aws/credentials",
        )
    )
    for section in (profile, "profile " + profile):
        if read.has_option(section, "aws_access_key_id") and read.has_option(
            section, "aws_secret_access_key"
        ):
            one = read[section]
            return one["aws_access_key_id"], one["aws_secret_access_key"], one.get("aws_session_token", "")
    return None


def _of_container(region: str) -> tuple[str, str, str] | None:
    env = os.environ
    relative = env.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")
    url = "http://169.254.170.2" + relative if relative else env.get("AWS_CONTAINER_CREDENTIALS_FULL_URI")
    if not url:
        return None
    token, path = (
        env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN"),
        env.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
    )
    if path:
        with open(path) as file:
            token = file.read().strip()
    return _told_keys(_ask(url, {"Authorization": token} if token else {}))


def _of_instance(region: str) -> tuple[str, str, str] | None:
    if os.environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        return None
    base = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or "http://169.254.169.254"
    base = base.rstrip("/") + "/latest/"
    try:
        token = _ask(base + "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "300"}, "PUT")
        headers = {"X-aws-ec2-metadata-token": token}
        roles = base + "meta-data/iam/security-credentials/"
        return _told_keys(_ask(roles + _ask(roles, headers).split("\n")[0].strip(), headers))
    except urllib.error.HTTPError as error:
        if error.code == 404:
            return None  # an instance without a role
        raise
    except urllib.error.URLError:
        return None  # no instance of AWS's


def _told_keys(text: str) -> tuple[str, str, str]:
    told = json.loads(text)
    return told["AccessKeyId"], told["SecretAccessKey"], told.get("Token") or ""


# The way


def _ask(url: str, headers: dict[str, str], method: str = "GET") -> str:
    request = urllib.request.Request(url, headers=headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=2) as answer:
        text: str = answer.read().decode()
    return text


def _open(request: Any) -> Any:  # Any: a request; an answer to read
    return urllib.request.urlopen(request, timeout=_TIMEOUT_S, context=_trust())


def _trust() -> Any:  # Any: a context of TLS
    given = _setting("ASYNCFLOW_S3_VERIFY_CERTIFICATE", "METAFLOW_S3_VERIFY_CERTIFICATE")
    path = os.environ.get("AWS_CA_BUNDLE") if given.lower() in ("", "1", "true", "yes") else given
    context = ssl.create_default_context()
    if given.lower() in ("0", "false", "no"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif path:
        context.load_verify_locations(path)
    return context


def _setting(*names: str) -> str:
    """Return the first that is set; empty: none is."""
    return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _told(error: Any) -> str:  # Any: HTTPError
    found = re.search(b"<Code>([^<]*)", error.read(4096))
    return f"HTTP {error.code} {found.group(1).decode() if found else error.reason}"


def _shown(url: str) -> str:
    """Return an address without what may be a secret in it."""
    return url.partition("?")[0]


# The archive


def unpack(path: str, root: str) -> None:
    """Write the files of an archive below a directory.

    Raises:
        Unavailable: It has a file that would lie elsewhere, or something that is no file.
    """
    known = {root}
    with tarfile.open(path, "r:gz") as archive:
        for member in archive:
            parts = member.name.split("/")
            if not member.isreg() or "" in parts or "." in parts or ".." in parts:
                raise Unavailable(f"it has something in it that is no file of a package: {member.name!r}")
            place = root + "/" + "/".join(parts[:-1])
            if place not in known:
                os.makedirs(place, exist_ok=True)
                known.add(place)
            source: Any = archive.extractfile(member)  # Any: a file to read
            mode = 0o700 if member.mode & 0o100 else 0o600
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(root + "/" + member.name, flags, mode), "wb") as target:
                target.write(source.read())


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def _end(code: int, why: str) -> NoReturn:
    _say("asyncflow: " + why)
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
