"""How the values of `@batch` are written: lists and pairs as Python values or, for `--with batch:...`, as texts. Pure.

Each function returns the value as it is kept and raises ValueError for what it cannot read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

__all__ = [
    "LOG_DRIVERS",
    "TAGS_WANTED",
    "efs_volumes",
    "host_volumes",
    "options",
    "path",
    "tags",
    "yes_or_no",
]

LOG_DRIVERS = ("awslogs", "awsfirelens", "fluentd", "gelf", "journald", "json-file", "splunk", "syslog")
TAGS_WANTED = (
    "names (at most 128 characters, not aws:...) and values (at most 256) of letters, digits, +-=._:/@"
)

_MOST_TAGS = 40
"""Of 50; the rest is ours."""
_TAG_NAME = re.compile(r"(?!aws:)[\w .:/=+\-@]{1,128}", re.IGNORECASE)
_TAG_VALUE = re.compile(r"[\w .:/=+\-@]{0,256}")
_PATH = re.compile(r"/[^\0:]*")
_EFS = re.compile(r"fs-[0-9a-zA-Z]+(:/[^\0:]*)?")


def yes_or_no(value: Any) -> bool:  # Any: as given
    """Read a yes or no, also as the texts `true` and `false`."""
    if isinstance(value, bool):
        return value
    if not isinstance(value, str) or value.lower() not in ("true", "false"):
        raise ValueError
    return value.lower() == "true"


def path(value: Any) -> str:  # Any: as given
    """Read an absolute path."""
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise ValueError
    return value


def host_volumes(value: Any) -> tuple[str, ...]:  # Any: as given
    """Read `/here` or `/there:/here`, one or several."""
    found = _texts(value)
    if not all(_PATH.fullmatch(part) for text in found for part in text.split(":", 1)):
        raise ValueError
    return found


def efs_volumes(value: Any) -> tuple[str, ...]:  # Any: as given
    """Read `fs-1234` or `fs-1234:/here`, one or several."""
    found = _texts(value)
    if not all(_EFS.fullmatch(text) for text in found):
        raise ValueError
    return found


def tags(value: Any) -> dict[str, str]:  # Any: as given
    """Read tags that AWS would take."""
    found = _pairs(value, "=")
    if len(found) > _MOST_TAGS:
        raise ValueError
    if not all(_TAG_NAME.fullmatch(name) and _TAG_VALUE.fullmatch(text) for name, text in found.items()):
        raise ValueError
    return found


def options(value: Any) -> dict[str, str]:  # Any: as given
    """Read the options of a log driver: a mapping, or texts `name:value`."""
    found = _pairs(value, ":")
    if not all(found):
        raise ValueError
    return found


def _texts(value: Any) -> tuple[str, ...]:  # Any: as given
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, list | tuple):
        raise ValueError  # noqa: TRY004 - whoever calls catches this
    given = list(cast("Iterable[object]", value))
    found = tuple(one.strip() for one in given if isinstance(one, str) and one.strip())
    if len(found) != len(given):
        raise ValueError
    return found


def _pairs(value: Any, separator: str) -> dict[str, str]:  # Any: as given
    if isinstance(value, Mapping):
        given = cast("Mapping[object, object]", value)
        if not all(isinstance(text, str | int | float) for text in given.values()):
            raise ValueError
        return {str(name): str(text) for name, text in given.items()}
    parts = [text.partition(separator) for text in _texts(value)]
    if not all(found for _, found, _ in parts):
        raise ValueError
    return {name.strip(): text.strip() for name, _, text in parts}
