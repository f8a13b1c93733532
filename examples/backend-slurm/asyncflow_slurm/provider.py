"""How asyncflow finds the cluster, sees that a run can use it, and opens it."""

from __future__ import annotations

import os
import uuid
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from asyncflow.backends.remote.platform import Job, JobRef, Platform
from asyncflow.backends.remote.provider import Finding, PlatformContext, StepRequest
from asyncflow.errors import PlatformError, UserError
from asyncflow.machine.ids import Attempt
from asyncflow_slurm import script
from asyncflow_slurm.commands import Commands, Listed, Refusal, Trouble
from asyncflow_slurm.decorator import Slurm
from asyncflow_slurm.place import Place
from asyncflow_slurm.platform import Pace, SlurmPlatform

__all__ = ["DIRECTORY_VARIABLE", "PROVIDER", "SlurmProvider"]

DIRECTORY_VARIABLE = "ASYNCFLOW_SLURM_DIRECTORY"
"""Names a directory that nodes see, too; `none` if there is no such file system."""
_PATIENCE_S = 600.0
_LOOK_S = 0.3


class SlurmProvider:
    """Opens the cluster that Slurm's commands on this machine speak to.

    Args:
        directory: That nodes see, too, under the same path. None: what ASYNCFLOW_SLURM_DIRECTORY says, or
            one in the home.
        pace: How often the queue is looked at, how long jobs get to end.
        patience_s: How long a cluster that does not answer is asked again.
    """

    name = Slurm.name
    decorator = Slurm
    runtime_environment = "slurm"

    def __init__(
        self, directory: Path | None = None, *, pace: Pace | None = None, patience_s: float = _PATIENCE_S
    ) -> None:
        self._directory = directory
        self._pace = pace or Pace()
        self._patience_s = patience_s

    @property
    def shares_filesystem(self) -> bool:
        """Whether nodes see the scheduler's files: they do where they see the shared directory."""
        return self._root() is not None

    def check(self, steps: Sequence[StepRequest], settings: Mapping[str, Any]) -> None:
        """See, without any request, that the steps can be asked for. See `Provider.check`."""
        for each in steps:
            if each.gang:
                raise UserError(
                    f"Step {each.step} is a gang (num_parallel), and asyncflow-slurm runs none",
                    where=each.where,
                    hint="Run it with another backend, or without num_parallel; `extra` may ask for more nodes.",
                )
        self._root()

    @asynccontextmanager
    async def open(self, context: PlatformContext) -> AsyncGenerator[Platform, None]:
        """Open the cluster for a run; leaving closes it. See `Provider.open`."""
        if context.run is None:
            raise UserError("Slurm is opened for a run, and none was named")
        commands = Commands(patience_s=self._patience_s)
        cluster = await commands.cluster()
        for each in context.steps:
            await self._see_that_it_can_run(commands, context, each)
        place = self._place(context.owner, context.run)
        platform = SlurmPlatform(
            context.owner, context.run, commands, cluster=cluster, place=place, pace=self._pace
        )
        try:
            yield platform
        finally:
            await platform.aclose()

    async def examine(self, context: PlatformContext) -> Sequence[Finding]:
        """Look at the client, the controller, the shared directory, and at what each step asks for."""
        commands = Commands(patience_s=self._patience_s)
        try:
            cluster = await commands.cluster()
        except (PlatformError, UserError) as error:
            return [Finding("cluster", is_ok=False, told=error.message, hint=error.hint)]
        accounting = "with accounting" if cluster.has_accounting else "without accounting"
        findings = [
            Finding("cluster", is_ok=True, told=f"{cluster.name}, Slurm {cluster.version}, {accounting}")
        ]
        findings.append(await anyio.to_thread.run_sync(self._examine_directory, context.owner))
        return findings + [await self._examine_step(commands, context, each) for each in context.steps]

    async def jobs(self, context: PlatformContext) -> Sequence[JobRef]:
        """List the jobs of the context's owner, or of its run. See `Provider.jobs`."""
        return [
            JobRef(job.id, job.identity.run, _attempt(job), job.created_at, job.is_over)
            for job in await self._listed(Commands(patience_s=self._patience_s), context)
        ]

    async def remove(self, context: PlatformContext, ids: Sequence[str]) -> None:
        """End jobs and remove what they left on the shared file system. See `Provider.remove`."""
        commands = Commands(patience_s=self._patience_s)
        wanted = {job.id: job for job in await self._listed(commands, context) if job.id in ids}
        live = [job.id for job in wanted.values() if not job.is_over]
        with anyio.move_on_after(self._pace.closing_s):
            while live:
                force = partial(commands.signal, live, script.FORCE)
                await commands.patiently(force, what="jobs could not be ended")
                await anyio.sleep(_LOOK_S)
                listed = await self._listed(commands, context)
                live = [job.id for job in listed if job.id in wanted and not job.is_over]
        if live:
            await commands.patiently(lambda: commands.cancel(live), what="jobs could not be ended")

        def tidy() -> None:
            for job in wanted.values():
                place = self._place(context.owner, job.identity.run)
                if place is not None:
                    place.remove(_attempt(job))

        await anyio.to_thread.run_sync(tidy)

    async def _listed(self, commands: Commands, context: PlatformContext) -> list[Listed]:
        jobs = await commands.patiently(commands.listed, what="its queue could not be read")
        return [
            job
            for job in jobs
            if job.identity.owner == context.owner and context.run in (None, job.identity.run)
        ]

    async def _see_that_it_can_run(
        self, commands: Commands, context: PlatformContext, step: StepRequest
    ) -> None:
        """Raise UserError if the cluster will never run the step; that it may not do so now is no reason."""
        try:
            await self._try_out(commands, context, step)
        except Refusal as error:
            if error.is_certain:
                raise UserError(
                    f"Step {step.step} cannot run on the cluster: {error}",
                    where=step.where,
                    hint="sinfo shows partitions and what nodes have; asyncflow doctor --backend slurm looks at more.",
                ) from error
        except Trouble:
            pass  # submitting is more patient

    async def _examine_step(self, commands: Commands, context: PlatformContext, step: StepRequest) -> Finding:
        what = f"step {step.step}"
        try:
            told = await self._try_out(commands, context, step)
        except (Refusal, Trouble) as error:
            return Finding(
                what, is_ok=False, told=str(error), hint="sinfo shows partitions and what nodes have."
            )
        return Finding(what, is_ok=True, told=told.removeprefix("sbatch: "))

    async def _try_out(self, commands: Commands, context: PlatformContext, step: StepRequest) -> str:
        job = Job(
            name=f"asyncflow-{step.step.lower()}",
            attempt=Attempt(0, 0),
            run=context.run or 0,
            flow=context.flow,
            step=step.step,
            user=context.user,
            owner=context.owner,
            command=("true",),
            environment={},
            index=0,
            options=step.options,
            size=step.size,
            timeout_s=step.timeout_s,
        )
        return await commands.try_out(script.flags([job], self._pace.grace_s), "#!/bin/sh\ntrue\n")

    def _examine_directory(self, owner: str) -> Finding:
        what = "shared directory"
        place = self._place(owner, 0)
        if place is None:
            return Finding(what, is_ok=True, told="none: the store must be one that nodes reach, such as S3")
        trial = place.directory.parent / f"trial-{uuid.uuid4().hex}"
        try:
            trial.mkdir(parents=True, mode=0o700)
            trial.rmdir()
        except OSError as error:
            return Finding(what, is_ok=False, told=str(error), hint=f"Name another in {DIRECTORY_VARIABLE}.")
        return Finding(what, is_ok=True, told=f"{place.directory.parent.parent} (nodes must see it, too)")

    def _root(self) -> Path | None:
        named = str(self._directory or os.environ.get(DIRECTORY_VARIABLE) or Path.home() / ".asyncflow-slurm")
        if named == "none":
            return None
        if not Path(named).is_absolute():
            raise UserError(
                f"{DIRECTORY_VARIABLE}={named} is not an absolute path",
                hint="Name a directory that nodes see under the same path, or `none`.",
            )
        return Path(named)

    def _place(self, owner: str, run: int) -> Place | None:
        root = self._root()
        return Place(root / owner / str(run)) if root is not None else None


def _attempt(job: Listed) -> Attempt:
    return job.identity.attempts[job.position]


PROVIDER = SlurmProvider()
