"""Finding platforms: each is an entry point of the group `asyncflow.backends`, ours as well as other packages'."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from asyncflow.backends.remote.provider import Provider
from asyncflow.plugins import BACKENDS, PluginError, load, names, not_importable

__all__ = ["cannot_import", "provider_named", "provider_names"]

_OURS = {name: f"asyncflow.backends.{name}.provider" for name in ("batch", "kubernetes")}
"""Found without a look at all that is installed, which takes as long as there is much; the names are taken."""
_EXPECTED = (
    "name", "decorator", "runtime_environment", "shares_filesystem", "check", "open", "examine", "jobs", "remove"
)  # fmt: skip


def provider_names() -> tuple[str, ...]:
    """Return the names of all platforms there are, sorted. Imports none of them."""
    return names(BACKENDS)


def provider_named(name: str) -> Provider:
    """Return the provider of a platform.

    Raises:
        PluginError: There is none of that name, or there are two, or it cannot be imported, or it is no provider.
    """
    found = _own(name) if name in _OURS else load(BACKENDS, name)
    missing = [attribute for attribute in _EXPECTED if not hasattr(found, attribute)]
    if missing:
        raise PluginError(
            f"The backend '{name}' is no provider: {type(found).__name__} has no {', '.join(missing)}",
            hint="What a provider has is said in docs/backends.md; tell those who make the package.",
        )
    provider = cast(Provider, found)  # what it has is seen above, the suite sees what that does
    if provider.name != name:
        raise PluginError(
            f"The backend '{name}' calls itself '{provider.name}'",
            hint="Entry point, provider and decorator bear one name; tell those who make the package.",
        )
    return provider


def _own(name: str) -> object:
    try:
        return import_module(_OURS[name]).PROVIDER
    except ImportError as error:
        raise cannot_import(name, error) from error


def cannot_import(name: str, error: ImportError) -> PluginError:
    """Return what to say when a platform, as it is opened, cannot import a library that it stands on."""
    return not_importable(BACKENDS, name, error)
