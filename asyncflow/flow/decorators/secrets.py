"""`@secrets`: values from a secret store, as environment variables of a step's task and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

from asyncflow.flow.decorators.base import Method, StepDecorator, decorate
from asyncflow.flow.errors import DecoratorAttributeError
from asyncflow.records import field, record

if TYPE_CHECKING:
    from asyncflow.flow.graph import StepInfo

__all__ = ["SecretSource", "Secrets", "secrets", "written_secrets"]


@record
class SecretSource:
    """One place where secrets are."""

    type: str
    """Name of the provider."""
    id: str = ""
    """What the provider knows it by."""
    options: Mapping[str, Any] = field(default_factory=dict[str, Any], repr=False)  # Any: the provider's
    role: str | None = None


@record(slots=False)
class Secrets(StepDecorator):
    """Fetch secrets when a task of the step begins; they are environment variables of its process."""

    name: ClassVar[str] = "secrets"
    sources: Sequence[str | Mapping[str, Any]] = field(default=(), repr=False)  # Any: a provider's options
    role: str | None = None
    """Role in which they are fetched, for providers that know roles, where a source says none."""
    allow_override: bool = False
    """A secret may replace an environment variable that is there already."""

    def __post_init__(self) -> None:
        if isinstance(self.sources, str | Mapping) or not isinstance(self.sources, Sequence):
            raise DecoratorAttributeError(
                "@secrets has sources that are no list", hint='Write @secrets(sources=["file..env"]).'
            )
        self.parsed()

    def parsed(self) -> tuple[SecretSource, ...]:
        """Return the sources in full."""
        return tuple(_parsed(source, self.role) for source in self.sources)

    def shown(self) -> dict[str, Any]:  # Any: as in the base
        """Return where they come from, never what they are."""
        places = [f"{one.type}.{one.id}" if one.id else one.type for one in self.parsed()]
        return {"sources": places, "role": self.role, "allow_override": self.allow_override}

    def complaint(self, info: StepInfo) -> str:
        """Steps that share a process share its environment."""
        return "shares a process with others, and with it their environment" if info.is_async else ""


def written_secrets(decorators: Iterable[object]) -> tuple[str, ...]:
    """Return the secrets that stand in the flow's own file, the longest first: no copy of that may have them."""
    sources = [source for one in decorators if isinstance(one, Secrets) for source in one.parsed()]
    held = [source.options.get("env_vars") for source in sources if source.type == "inline"]
    values = [str(value) for one in held if isinstance(one, Mapping) for value in one.values()]  # pyright: ignore[reportUnknownArgumentType,reportUnknownVariableType]
    return tuple(sorted(filter(None, values), key=len, reverse=True))


@overload
def secrets(method: Method, /) -> Method: ...


@overload
def secrets(
    *,
    sources: Sequence[str | Mapping[str, Any]] = ...,
    role: str | None = None,
    allow_override: bool = False,
) -> Callable[[Method], Method]: ...


def secrets(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """Fetch secrets when a task of the step begins, as environment variables of its process.

    Args:
        method: The step, when used without parentheses.
        attributes: `sources`, a list of `"provider.id"`, or of mappings with `type`, `id`, `options` and `role`;
            `role`; `allow_override`.
    """
    return decorate(Secrets, method, attributes)


def _parsed(source: Any, role: str | None) -> SecretSource:
    if isinstance(source, str):
        import os

        kind, dot, rest = source.partition(".")
        default = os.environ.get("ASYNCFLOW_DEFAULT_SECRETS_BACKEND_TYPE") or os.environ.get(
            "METAFLOW_DEFAULT_SECRETS_BACKEND_TYPE"
        )
        if dot and kind:
            return SecretSource(type=kind, id=rest, role=role)
        if default:
            return SecretSource(type=default, id=source, role=role)
        raise DecoratorAttributeError(
            f"@secrets has the source {source!r:.100}, which does not say where it is",
            hint='Write "provider.id", such as "file..env".',
        )
    known = ("type", "id", "options", "role")
    is_one = isinstance(source, Mapping) and isinstance(source.get("type"), str)
    if not is_one or any(name not in known for name in source):
        raise DecoratorAttributeError(
            "@secrets has a source that is no mapping of type, id, options and role",
            hint='Write {"type": "inline", "options": {"env_vars": {"NAME": "value"}}}.',
        )
    options = source.get("options", {})
    if not isinstance(options, Mapping):
        raise DecoratorAttributeError("@secrets has a source whose options are no mapping")
    return SecretSource(
        type=source["type"], id=str(source.get("id", "")), options=options, role=source.get("role", role)
    )
