"""What is wrong with what steps ask for: before anything is asked of AWS, and once their queues are known. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from asyncflow.backends.batch.failures import BatchOptionError, BatchQueueError
from asyncflow.backends.batch.fargate import complaint
from asyncflow.backends.batch.instances import InstanceType, misfit
from asyncflow.backends.batch.options import Options, Settings, resolve
from asyncflow.backends.batch.queues import Queue
from asyncflow.backends.batch.submission import LEAST_TIMEOUT_S
from asyncflow.backends.remote.provider import StepRequest

__all__ = ["check_queue", "check_step", "check_steps"]

_LEAST_MEMORY_MB = 4


def check_steps(steps: Sequence[StepRequest], settings: Settings) -> Mapping[str, Options]:
    """Return what each step asks for, by its name. Raises BatchOptionError for the first that asks wrongly."""
    return {step.step: check_step(step, settings) for step in steps}


def check_step(step: StepRequest, settings: Settings) -> Options:
    """Return what a step asks for. Raises BatchOptionError, which names step and option."""
    options = resolve(step.options, step.size, settings, step=step.step, where=step.where)
    if step.timeout_s is not None and step.timeout_s < LEAST_TIMEOUT_S:
        raise BatchOptionError(
            f"Step {step.step}: @timeout is {step.timeout_s:g} s, and AWS Batch knows none below {LEAST_TIMEOUT_S} s",
            where=step.where,
            hint=f"Give it {LEAST_TIMEOUT_S} seconds or more, or run the step elsewhere.",
        )
    if options.memory_mb < _LEAST_MEMORY_MB:
        _refuse(step, "memory", f"{options.memory_mb} MB are fewer than AWS Batch's {_LEAST_MEMORY_MB} MB")
    if options.ephemeral_storage_gb is not None:
        _check_fargate(step, options)
    return options


def check_queue(
    step: StepRequest, options: Options, queue: Queue, types: Sequence[InstanceType] = ()
) -> None:
    """See that a step's jobs can run on its queue.

    Args:
        types: Of the machines that the queue may start; none: unknown.

    Raises:
        BatchQueueError: The queue takes no jobs, or runs none.
        BatchOptionError: Its machines cannot do what the step asks for.
    """
    if queue.why_waiting:
        raise BatchQueueError(
            f"Step {step.step}: job queue {queue.name} runs no jobs: {queue.why_waiting}",
            where=step.where,
            hint="Enable it, or use another: @batch(queue='...'); see: asyncflow doctor --backend batch",
        )
    if queue.orchestrator != "ECS":
        raise BatchQueueError(
            f"Step {step.step}: job queue {queue.name} runs its jobs on {queue.orchestrator}, not on ECS",
            where=step.where,
            hint="Use a queue of ECS or Fargate for @batch, and @kubernetes for a cluster.",
        )
    if queue.is_fargate:
        if step.gang:
            _refuse(
                step, "queue", f"{queue.name} is Fargate's, which has no multi-node jobs for num_parallel"
            )
        _check_fargate(step, options)
    elif options.ephemeral_storage_gb is not None:
        _refuse(
            step, "ephemeral_storage", f"it is for Fargate, and the machines of queue {queue.name} are EC2's"
        )
    trouble = queue.size_trouble(options.cpu)
    if trouble:
        _refuse(step, "cpu", trouble)
    found = misfit(options, queue.name, types)
    if found is not None:
        _refuse(step, *found)


def _check_fargate(step: StepRequest, options: Options) -> None:
    found = complaint(options)
    if found is not None:
        _refuse(step, *found)


def _refuse(step: StepRequest, option: str, message: str) -> NoReturn:
    raise BatchOptionError(
        f"Step {step.step}: @batch {option}: {message}",
        where=step.where,
        hint=f"Change it: @batch({option}=...), or --with batch:{option}=...",
    )
