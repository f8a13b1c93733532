"""`metaflow.metaflow_config`: Metaflow's settings by name, as the environment and the configuration file say."""

from __future__ import annotations

import json
from typing import Any

from asyncflow.settings import apply_files, setting

__all__ = ["DEFAULTS", "get_version", "value_of"]

DEFAULTS: dict[str, Any] = {  # Any: each setting has a type of its own
    "BATCH_CONTAINER_IMAGE": None,
    "BATCH_JOB_QUEUE": None,
    "CARD_LOCALROOT": None,
    "CARD_S3ROOT": None,
    "CLIENT_CACHE_MAX_SIZE": 10000,
    "CLIENT_CACHE_PATH": "/tmp/metaflow_client",  # noqa: S108 - Metaflow's; nothing is written there
    "CONDA_DEPENDENCY_RESOLVER": "conda",
    "DATASTORE_LOCAL_DIR": ".asyncflow",
    "DATASTORE_SYSROOT_LOCAL": None,
    "DATASTORE_SYSROOT_S3": None,
    "DATATOOLS_LOCALROOT": None,
    "DATATOOLS_S3ROOT": None,
    "DATATOOLS_SUFFIX": "data",
    "DEFAULT_AWS_CLIENT_PROVIDER": "boto3",
    "DEFAULT_CONTAINER_IMAGE": None,
    "DEFAULT_CONTAINER_REGISTRY": None,
    "DEFAULT_DATASTORE": "local",
    "DEFAULT_DECOSPECS": "",
    "DEFAULT_ENVIRONMENT": "local",
    "DEFAULT_EVENT_LOGGER": "nullSidecarLogger",
    "DEFAULT_METADATA": "local",
    "DEFAULT_MONITOR": "nullSidecarMonitor",
    "DEFAULT_PACKAGE_SUFFIXES": ".py,.R,.RDS",
    "DEFAULT_RUNTIME_LIMIT": 432000,
    "DEFAULT_SECRETS_BACKEND_TYPE": None,
    "DEFAULT_SECRETS_ROLE": None,
    "KUBERNETES_CONTAINER_IMAGE": None,
    "KUBERNETES_NAMESPACE": "default",
    "KUBERNETES_SECRETS": None,
    "KUBERNETES_SERVICE_ACCOUNT": None,
    "MAXIMUM_FOREACH_VALUE_CHARS": 30,
    "PRODUCTION_TOKEN": None,
    "S3_ENDPOINT_URL": None,
    "S3_RETRY_COUNT": 7,
    "S3_SERVER_SIDE_ENCRYPTION": None,
    "S3_VERIFY_CERTIFICATE": None,
    "S3_WORKER_COUNT": 64,
    "SERVICE_AUTH_KEY": None,
    "SERVICE_HEADERS": {},
    "SERVICE_INTERNAL_URL": None,
    "SERVICE_URL": None,
    "TEMPDIR": ".",
    "UI_URL": None,
    "USER": None,
}
"""What a setting is if nothing says otherwise."""


def get_version(public: bool = False) -> str:
    """Return asyncflow's version, which stands for Metaflow's."""
    from asyncflow.version import __version__

    return __version__


def value_of(name: str) -> Any:  # Any: as above
    """Return a setting, in the type of its default.

    Raises:
        AttributeError: There is none of that name.
        UserError: The configuration file cannot be read.
    """
    if name not in DEFAULTS:
        raise AttributeError(name)
    apply_files()
    default, text = DEFAULTS[name], setting(name)
    if text is None:
        return default
    if isinstance(default, int):
        try:
            return int(text)
        except ValueError:
            return default
    if text[:1] in "[{":
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text
