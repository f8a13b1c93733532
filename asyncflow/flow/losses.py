"""Why an attempt is gone without a word of its own, as classes for `@retry(on=...)`. Nobody raises them in a step."""

from __future__ import annotations

__all__ = ["Evicted", "ImageError", "OutOfMemory", "SpotReclaimed", "Unschedulable", "WorkerLost"]


class WorkerLost(Exception):
    """The attempt's process, pod or job is gone and nobody says why; also the base of the others."""


class OutOfMemory(WorkerLost):
    """It needed more memory than it was given."""


class Evicted(WorkerLost):
    """The platform took its place away."""


class SpotReclaimed(WorkerLost):
    """The spot machine it ran on was taken back."""


class ImageError(WorkerLost):
    """Its image is not there, or may not be pulled."""


class Unschedulable(WorkerLost):
    """The platform has no place for it."""


for _kind in (WorkerLost, OutOfMemory, Evicted, SpotReclaimed, ImageError, Unschedulable):
    _kind.__module__ = "asyncflow"  # what a failure is called in the log, and so what @retry has to look for
