"""What Batch says about the ends of jobs, in its own words, and the faults that tests order."""

from __future__ import annotations

EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
TIMED_OUT = "Job attempt duration exceeded timeout"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
CHILD_FAILED = "Array Child Job failed"
DEPENDENCY_FAILED = "Dependent Job failed"
TOO_MUCH = (
    "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job resource requirement (vCPU/memory/GPU) is higher than "
    "that can be met by the CE(s) attached to the job queue."
)
TOO_WIDE = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet "
    "the CPU requirement of the job."
)
OVERRIDES_TOO_LONG = "Container Overrides length must be at most 8192"
MOST_OVERRIDE_BYTES = 8192
MOST_JOB_BYTES = 30 << 10
MOST_DESCRIBED = 100
MOST_CHILDREN = 10_000
SHORTEST_TIMEOUT_S = 60

# Faults of requests: what is answered in place of an answer.
THROTTLED = "throttled"
"""429 TooManyRequestsException; other services: ThrottlingException, S3: SlowDown."""
BROKEN = "broken"
"""500 ServerException."""
UNAVAILABLE = "unavailable"
"""503."""
EXPIRED = "expired"
"""403 ExpiredTokenException."""
UNKNOWN_KEY = "unknown key"
"""403 UnrecognizedClientException."""
DENIED = "denied"
"""403 AccessDeniedException, with the action in its message."""
DROPPED = "dropped"
"""The connection ends before anything is done."""
LOST_ANSWER = "lost answer"
"""What is asked is done; the connection ends without an answer."""
SLOW = "slow"
"""The answer comes late."""
LIMITED = "limited"
"""Throttled beyond a rate, as an account's quota does it."""

# Faults of jobs: what becomes of them.
SPOT = "spot"
"""The host goes away under a running job."""
OOM = "oom"
"""Killed for its memory."""
NO_IMAGE = "no image"
"""The image cannot be pulled."""
NEVER = "never"
"""RUNNABLE for ever."""
EXIT = "exit"
"""Ends with an exit code that the order names (for jobs without a process)."""


def host_terminated(instance: str) -> str:
    """Return the reason of a job whose spot instance was reclaimed."""
    return f"Host EC2 (instance {instance}) terminated."


def cannot_pull(image: str) -> str:
    """Return the reason of a container whose image is not to be had."""
    return (
        f"CannotPullContainerError: Error response from daemon: pull access denied for {image}, "
        "repository does not exist or may require 'docker login': denied: "
        "requested access to the resource is denied"
    )


def cannot_start(command: str) -> str:
    """Return the reason of a container whose first word is no program."""
    return (
        "CannotStartContainerError: Error response from daemon: failed to create shim task: OCI runtime create "
        f'failed: container_linux.go: starting container process caused: exec: "{command}": '
        "executable file not found in $PATH: unknown"
    )
