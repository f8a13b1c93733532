"""What steps mention that has to be there: service accounts, secrets, volume claims."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from asyncflow.backends.kubernetes.api import Api, Rejected
from asyncflow.backends.kubernetes.errors import BadOption
from asyncflow.backends.kubernetes.options import PodOptions
from asyncflow.backends.remote.provider import StepRequest

__all__ = ["Mentioned", "is_there", "mentioned_by", "see_mentioned"]

_KINDS = {
    "service account": ("serviceaccounts", "kubectl create serviceaccount {}"),
    "secret": ("secrets", "kubectl create secret generic {} --from-literal=NAME=value"),
    "image pull secret": ("secrets", "kubectl create secret docker-registry {}"),
    "volume claim": ("persistentvolumeclaims", "kubectl get pvc shows what there is ({} is not)"),
}


class Mentioned(NamedTuple):
    """One thing."""

    namespace: str
    kind: str
    """For people, such as `secret`."""
    name: str

    @property
    def path(self) -> str:
        """Where the API has it."""
        return f"/api/v1/namespaces/{self.namespace}/{_KINDS[self.kind][0]}/{self.name}"

    @property
    def hint(self) -> str:
        """How to make it."""
        return f"{_KINDS[self.kind][1].format(self.name)} -n {self.namespace}"


def mentioned_by(options: PodOptions) -> Iterator[Mentioned]:
    """Yield what a step's pods need to be there."""
    named = [("service account", options.service_account)] if options.service_account else []
    named += [("secret", name) for name in options.secrets]
    named += [("image pull secret", name) for name in options.image_pull_secrets]
    named += [("volume claim", name) for name in options.claims]
    for kind, name in named:
        yield Mentioned(options.namespace, kind, name)


async def is_there(api: Api, path: str, *, patience_s: float | None = None) -> bool | None:
    """Tell whether there is an object. None: it may not be looked at. Raises PlatformError."""
    try:
        await (api.get(path) if patience_s is None else api.get(path, patience_s=patience_s))
    except Rejected as rejected:
        return False if rejected.status == 404 else None
    return True


async def see_mentioned(
    api: Api, steps: Sequence[tuple[StepRequest, PodOptions]], *, patience_s: float
) -> None:
    """See that all that steps mention is there, as far as it may be looked at.

    Raises:
        BadOption: Something is not.
        PlatformError: The cluster does not answer.
    """
    seen: set[Mentioned] = set()
    for step, options in steps:
        for one in mentioned_by(options):
            if one in seen:
                continue
            seen.add(one)
            if await is_there(api, one.path, patience_s=patience_s) is False:
                raise BadOption(
                    f"Step {step.step} needs the {one.kind} '{one.name}', "
                    f"which is not in the namespace {one.namespace}",
                    where=step.where,
                    hint=one.hint,
                )
