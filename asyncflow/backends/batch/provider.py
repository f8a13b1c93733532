"""AWS Batch's entry point: checks what steps ask for, opens a run's platform, looks around and cleans up."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

from asyncflow.errors import InternalError

if TYPE_CHECKING:
    from asyncflow.backends.batch.pace import Pace
    from asyncflow.backends.batch.platform import BatchPlatform
    from asyncflow.backends.remote.platform import JobRef
    from asyncflow.backends.remote.provider import Finding, PlatformContext, StepRequest

__all__ = ["PROVIDER", "BatchProvider"]


class BatchProvider:
    """See `asyncflow.backends.remote.provider.Provider`. What it needs is imported when it is used.

    Args:
        pace: How often AWS is asked, and how patiently; None: as it should be.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace

    @property
    def name(self) -> str:
        """What `--with` and the decorator call it."""
        return "batch"

    @property
    def decorator(self) -> type:
        """`@batch`."""
        from asyncflow.flow.decorators.compute import Batch

        return Batch

    @property
    def runtime_environment(self) -> str:
        """As Metaflow says it."""
        return "aws-batch"

    @property
    def shares_filesystem(self) -> bool:
        """Containers do not see the scheduler's files."""
        return False

    def check(
        self, steps: Sequence[StepRequest], settings: Mapping[str, Any]
    ) -> None:  # Any: what options of the command line said
        """See that the steps can be asked for. Raises UserError."""
        from asyncflow.backends.batch.options import Settings
        from asyncflow.backends.batch.requirements import check_steps

        check_steps(steps, Settings.read(settings))

    def open(self, context: PlatformContext) -> AbstractAsyncContextManager[BatchPlatform]:
        """Open the platform for a run. See `Provider.open`."""
        return _opened(context, self._pace)

    async def examine(self, context: PlatformContext) -> Sequence[Finding]:
        """Look at everything a run needs. See `Provider.examine`."""
        from asyncflow.backends.batch.examining import examine

        return await examine(context)

    async def jobs(self, context: PlatformContext) -> Sequence[JobRef]:
        """List the jobs of the context's owner. See `Provider.jobs`."""
        from asyncflow.backends.batch.reaping import list_refs

        return await list_refs(context)

    async def remove(self, context: PlatformContext, ids: Sequence[str]) -> None:
        """End jobs; AWS forgets those that are over by itself. See `Provider.remove`."""
        from asyncflow.backends.batch.reaping import end_jobs

        await end_jobs(ids)


@asynccontextmanager
async def _opened(context: PlatformContext, pace: Pace | None) -> AsyncGenerator[BatchPlatform, None]:
    from asyncflow.backends.batch.caller import open_caller
    from asyncflow.backends.batch.instances import instance_types
    from asyncflow.backends.batch.options import Settings
    from asyncflow.backends.batch.pace import Pace
    from asyncflow.backends.batch.platform import BatchPlatform
    from asyncflow.backends.batch.queues import look_at_queue
    from asyncflow.backends.batch.requirements import check_queue, check_steps

    if context.run is None:
        raise InternalError("AWS Batch is opened for no run")
    settings = Settings.read(context.settings)
    wanted = check_steps(context.steps, settings)
    pace = pace or Pace()
    async with open_caller(tries=pace.tries) as caller:
        names = dict.fromkeys(options.queue for options in wanted.values())
        queues = {name: await look_at_queue(caller, name) for name in names}
        types = {name: await instance_types(caller, queue) for name, queue in queues.items()}
        for step in context.steps:
            options = wanted[step.step]
            check_queue(step, options, queues[options.queue], types[options.queue])
        platform = BatchPlatform(
            caller, owner=context.owner, run=context.run, settings=settings, queues=queues, pace=pace
        )
        try:
            yield platform
        finally:
            await platform.aclose()


PROVIDER = BatchProvider()
