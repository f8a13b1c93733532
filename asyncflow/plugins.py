"""What other packages bring: things found by the entry points that installed packages declare.

Nothing of a package is imported until something of it is named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from asyncflow.errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["BACKENDS", "PluginError", "load", "names", "not_importable"]

BACKENDS = "asyncflow.backends"
"""The group of places where steps run; each entry point is a `Provider`."""

_NOUNS = {BACKENDS: "backend"}


class PluginError(UserError):
    """Something that a package brings is not there, or cannot be used."""

    headline = "Not installed, or not usable"


def names(group: str) -> tuple[str, ...]:
    """Return the names of everything that installed packages declare in a group, sorted. Imports nothing of theirs."""
    return tuple(sorted(_declared(group)))


def load(group: str, name: str) -> object:
    """Import what a package declares under a name; a class is called without arguments.

    Raises:
        PluginError: There is none of that name, or there are two, or it cannot be imported.
    """
    declared = _declared(group)
    found = declared.get(name, ())
    if not found:
        raise _unknown(group, name, declared)
    if len(found) > 1:
        raise _ambiguous(group, name, found)
    try:
        loaded: object = found[0].load()
    except ImportError as error:
        raise not_importable(group, name, error) from error
    except (AttributeError, SyntaxError) as error:
        raise PluginError(
            f"The {_noun(group)} '{name}' of {_package(found[0])} cannot be used: {error}",
            hint=f"Its entry point says {found[0].value}: tell those who make the package.",
        ) from error
    return loaded() if isinstance(loaded, type) else loaded


def not_importable(group: str, name: str, error: ImportError) -> PluginError:
    """Return what to say when an import, early or late, of something that a package brings has failed."""
    found = _declared(group).get(name, ())
    package = _package(found[0]) if found else "asyncflow-run"
    if found and _has_extra(found[0], name):
        hint = f'pip install "{package}[{name}]"'
    elif error.name:
        hint = f"Install what is missing, {error.name}, or uninstall {package}."
    else:
        hint = f"Reinstall or uninstall {package}."
    return PluginError(f"The {_noun(group)} '{name}' of {package} cannot be imported: {error}", hint=hint)


def _declared(group: str) -> Mapping[str, Sequence[EntryPoint]]:
    """Return what is declared, by name; a package that is found twice on the path counts once."""
    from importlib.metadata import entry_points  # 6 ms, for those who ask

    found: dict[str, dict[tuple[str, str], EntryPoint]] = {}
    for entry in entry_points(group=group):
        found.setdefault(entry.name, {}).setdefault((_package(entry), entry.value), entry)
    return {name: list(entries.values()) for name, entries in found.items()}


def _unknown(group: str, name: str, declared: Mapping[str, object]) -> PluginError:
    import difflib  # for this message only

    close = difflib.get_close_matches(name, declared, n=1)
    known = f"There are: {', '.join(sorted(declared))}." if declared else "None is installed."
    return PluginError(
        f"There is no {_noun(group)} '{name}'",
        hint=(f"Did you mean {close[0]}? " if close else "") + known,
    )


def _ambiguous(group: str, name: str, found: Sequence[EntryPoint]) -> PluginError:
    packages = sorted({_package(entry) for entry in found})
    who = " and ".join(packages) if len(packages) > 1 else f"{packages[0]}, twice,"
    return PluginError(
        f"Several packages bring a {_noun(group)} '{name}': {who}",
        hint=f"Uninstall one of them: pip uninstall {packages[-1]}",
    )


def _package(entry: EntryPoint) -> str:
    return entry.dist.name if entry.dist is not None else "a package without a name"


def _has_extra(entry: EntryPoint, name: str) -> bool:
    extras = entry.dist.metadata.get_all("Provides-Extra") if entry.dist is not None else None
    return name in (extras or ())


def _noun(group: str) -> str:
    return _NOUNS.get(group, group)
