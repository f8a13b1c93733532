"""What is refused with 422: objects that the schemas of Kubernetes do not allow, and what schemas cannot say."""

from __future__ import annotations

from functools import cache
from typing import Any

from tests.services.kube.checks import Cause, causes_of
from tests.services.kube.kinds import Kind
from tests.services.kube.objects import ApiError, Object, name_of

NEWEST = 3
"""So many versions' schemas an object must meet."""


class Validator:
    """Knows the schemas; remembers the shapes it has seen, as an array of a thousand pods has one."""

    def __init__(self, versions: tuple[str, ...] = ()) -> None:
        self._versions = versions or newest_versions()
        self._seen: dict[Any, tuple[Cause, ...]] = {}  # Any: a shape, see `_shape`

    def check(self, kind: Kind, item: Object) -> None:
        """Refuse an object that is not as it must be.

        Raises:
            ApiError: 422, with the causes.
        """
        key = _shape(item)
        if key not in self._seen:
            self._seen[key] = tuple(self._against_schemas(item))
        causes = [*self._seen[key], *([] if self._seen[key] else causes_of(kind, item))]
        if causes:
            raise invalid(kind, name_of(item), causes)

    def _against_schemas(self, item: Object) -> list[Cause]:
        import kubernetes_validate  # 0.1 s

        for version in self._versions:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                path = ".".join(str(part) for part in error.path)
                return [Cause(path or "<root>", f"{error.message} (schema of Kubernetes {version})")]
            except kubernetes_validate.SchemaNotFoundError:
                continue
        return []


@cache
def newest_versions() -> tuple[str, ...]:
    """Return the newest Kubernetes versions that there are schemas of."""
    from kubernetes_validate.utils import all_versions

    return tuple(all_versions()[-NEWEST:])


def invalid(kind: Kind, name: str, causes: list[Cause]) -> ApiError:
    """Return the refusal of an object."""
    told = "; ".join(f"{cause.path}: {cause.message}" for cause in causes)
    message = f'{kind.kind}{f".{kind.group}" if kind.group else ""} "{name}" is invalid: {told}'
    details = {
        "name": name,
        "group": kind.group,
        "kind": kind.kind,
        "causes": [
            {"reason": "FieldValueInvalid", "message": cause.message, "field": cause.path} for cause in causes
        ],
    }
    return ApiError(422, message, details=details)


def without_nulls(value: Any) -> Any:  # Any: JSON
    """Return JSON without the keys whose value is null: Go's clients send them for what is not set."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [without_nulls(inner) for inner in value]
    return value


def _shape(value: Any) -> Any:  # Any: JSON; its shape is hashable
    """Return what schemas look at: keys and types, and the texts that they fix."""
    if isinstance(value, dict):
        return frozenset(
            (key, inner if key in ("apiVersion", "kind") and isinstance(inner, str) else _shape(inner))
            for key, inner in value.items()
        )
    if isinstance(value, list):
        return ("list", frozenset(_shape(inner) for inner in value))
    return type(value)
