"""What a Config is once it is read: a mapping that is also walked by dots, and that nobody can change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

__all__ = ["ConfigList", "ConfigValue", "plain", "wrapped"]

_READ_ONLY = "A config is read-only: it is the same for every task of a run"


class ConfigValue(dict[str, Any]):
    """A mapping of a config: `cfg.a.b`, `cfg["a"]["b"]`, `**cfg.section`.

    A key that is also the name of one of its methods is read with brackets.
    """

    __slots__ = ()

    def __init__(self, value: Mapping[str, Any]) -> None:
        super().__init__({str(key): wrapped(item) for key, item in value.items()})

    def __getattr__(self, name: str) -> Any:  # Any: the user's value
        try:
            return self[name]
        except KeyError:
            known = ", ".join(list(self)[:10]) or "nothing"
            raise AttributeError(f"The config has no '{name}' here; it has {known}") from None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain dictionaries and lists, which may be changed."""
        return {key: plain(item) for key, item in self.items()}

    def copy(self) -> ConfigValue:
        """Return an equal one."""
        return ConfigValue(self)

    def __reduce__(self) -> tuple[type[ConfigValue], tuple[dict[str, Any]]]:
        return (ConfigValue, (self.to_dict(),))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise TypeError(_READ_ONLY)

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(_READ_ONLY)

    __setitem__ = __delitem__ = __ior__ = _refuse  # type: ignore[assignment]
    __delattr__ = _refuse  # type: ignore[assignment]
    clear = pop = popitem = setdefault = update = _refuse  # type: ignore[assignment]


class ConfigList(list[Any]):
    """A list of a config."""

    __slots__ = ()

    def __init__(self, items: Any = ()) -> None:
        super().__init__(wrapped(item) for item in items)

    def to_list(self) -> list[Any]:
        """Return it as plain lists and dictionaries, which may be changed."""
        return [plain(item) for item in self]

    def __reduce__(self) -> tuple[type[ConfigList], tuple[list[Any]]]:
        return (ConfigList, (self.to_list(),))

    def __iter__(self) -> Iterator[Any]:
        return super().__iter__()

    def _refuse(self, *_args: object, **_kwargs: object) -> NoReturn:
        raise TypeError(_READ_ONLY)

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse  # type: ignore[assignment]
    append = clear = extend = insert = pop = remove = reverse = sort = _refuse  # type: ignore[assignment]


def wrapped(value: Any) -> Any:  # Any: the user's value
    """Return a value with its mappings and lists as those of a config."""
    if isinstance(value, Mapping):
        return value if isinstance(value, ConfigValue) else ConfigValue(value)
    if isinstance(value, list | tuple):
        return value if isinstance(value, ConfigList) else ConfigList(value)
    return value


def plain(value: Any) -> Any:  # Any: the user's value
    """Return a value with plain dictionaries and lists."""
    if isinstance(value, ConfigValue):
        return value.to_dict()
    return value.to_list() if isinstance(value, ConfigList) else value
