"""The way in: Kubernetes as a provider of platforms, an entry point of the group `asyncflow.backends`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from asyncflow.backends.remote.platform import JobRef, Platform
from asyncflow.backends.remote.provider import Finding, PlatformContext, Provider, StepRequest
from asyncflow.settings import setting

if TYPE_CHECKING:
    from asyncflow.backends.kubernetes.platform import Timing

__all__ = ["PROVIDER", "KubernetesProvider"]


class KubernetesProvider:
    """See `asyncflow.backends.remote.provider.Provider`."""

    @property
    def name(self) -> str:
        """`kubernetes`."""
        return "kubernetes"

    @property
    def decorator(self) -> type:
        """The class of `@kubernetes`."""
        from asyncflow.flow.decorators.compute import Kubernetes  # a flow has it loaded already

        return Kubernetes

    @property
    def runtime_environment(self) -> str:
        """As Metaflow says it in a pod."""
        return "kubernetes"

    @property
    def shares_filesystem(self) -> bool:
        """Containers do not see the scheduler's files."""
        return False

    def check(self, steps: Sequence[StepRequest], settings: Mapping[str, Any]) -> None:
        """See that the steps can be asked for. Raises BadOption or BadTemplate, which are UserErrors."""
        from asyncflow.backends.kubernetes.checks import check_steps
        from asyncflow.backends.kubernetes.options import Defaults

        check_steps(steps, settings, Defaults.from_settings(setting))

    def open(
        self, context: PlatformContext, *, timing: Timing | None = None
    ) -> AbstractAsyncContextManager[Platform]:
        """Open the cluster for a run. See `Provider.open`.

        Args:
            context: The run.
            timing: How long things may take. None: as is good for clusters.

        Raises:
            UserError: The cluster cannot be used as it is configured: no kubeconfig, unknown context, refused
                credentials, no such namespace.
            PlatformError: It does not answer.
        """
        return _opened(context, timing)

    async def examine(self, context: PlatformContext) -> Sequence[Finding]:
        """Look at everything a run needs. Never raises."""
        from asyncflow.backends.kubernetes.examining import examine

        return await examine(context)

    async def jobs(self, context: PlatformContext) -> Sequence[JobRef]:
        """List the owner's pods and gangs. Raises PlatformError, and UserError where the cluster is not found."""
        from asyncflow.backends.kubernetes.opening import list_jobs

        return await list_jobs(context)

    async def remove(self, context: PlatformContext, ids: Sequence[str]) -> None:
        """Remove what `jobs` told of. Raises as `jobs`."""
        from asyncflow.backends.kubernetes.opening import remove_jobs

        await remove_jobs(context, ids)


@asynccontextmanager
async def _opened(context: PlatformContext, timing: Timing | None) -> AsyncGenerator[Platform]:
    from asyncflow.backends.kubernetes.opening import open_platform  # with all that asks the cluster

    async with open_platform(context, timing) as platform:
        yield platform


PROVIDER: Provider = KubernetesProvider()
"""What the entry point names."""
