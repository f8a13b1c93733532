"""How a platform is found and opened: one provider a platform, an entry point of the group `asyncflow.backends`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, NamedTuple, Protocol

from asyncflow.backends.remote.platform import JobRef, Platform, Size
from asyncflow.records import field, record

__all__ = ["Finding", "PlatformContext", "Provider", "StepRequest"]


@record
class StepRequest:
    """A step that is to run on the platform."""

    step: str
    options: Mapping[str, Any]  # Any: the values of the step's decorator
    size: Size
    """The decorator's and @resources' together."""
    timeout_s: float | None = None
    gang: bool = False
    """It runs as a gang (`num_parallel`)."""
    where: str = ""
    """`file:line` of the step, for messages."""


@record
class PlatformContext:
    """For what a platform is opened."""

    owner: str
    """Names the store (8 hex digits)."""
    run: int | None = None
    """None: for looking around (`doctor`, `reap`), no run."""
    flow: str = ""
    user: str = ""
    steps: Sequence[StepRequest] = ()
    tags: tuple[str, ...] = ()
    store_url: str = ""
    settings: Mapping[str, Any] = field(
        default_factory=dict[str, Any]
    )  # Any: what options of the command line said
    """By option, such as `k8s_template` (text of the file), `namespace`, `queue`."""


class Finding(NamedTuple):
    """One thing that was looked at before a run, or by `asyncflow doctor --backend`."""

    what: str
    """Such as `credentials`, `queue`, `permission to create pods`."""
    is_ok: bool
    told: str
    """What was found, for people."""
    hint: str = ""
    """What to do, when it is not ok."""


class Provider(Protocol):
    """One platform. Importing its module must be cheap: heavy libraries are imported when it is opened."""

    @property
    def name(self) -> str:
        """What `--with` and the decorator call it."""
        ...

    @property
    def shares_filesystem(self) -> bool:
        """Workers see the scheduler's files, so that a store in a directory will do."""
        ...

    @property
    def decorator(self) -> type:
        """The class of the step decorator with its options (`asyncflow.flow.decorators.base.StepDecorator`)."""
        ...

    @property
    def runtime_environment(self) -> str:
        """What METAFLOW_RUNTIME_ENVIRONMENT says in its tasks."""
        ...

    def check(self, steps: Sequence[StepRequest], settings: Mapping[str, Any]) -> None:
        """See, without any request, that the steps can be asked for. Raises UserError that names step and option."""
        ...

    def open(self, context: PlatformContext) -> AbstractAsyncContextManager[Platform]:
        """Open the platform for a run: read the configuration, make the client, see that it answers.

        Raises:
            UserError: The configuration is wrong or missing.
            PlatformError: The platform does not answer.
        """
        ...

    async def examine(self, context: PlatformContext) -> Sequence[Finding]:
        """Look at everything a run needs: credentials, permissions, namespace or queue, images, sizes. Never raises."""
        ...

    async def jobs(self, context: PlatformContext) -> Sequence[JobRef]:
        """List the jobs of the context's owner, or of its run if it has one. Raises PlatformError."""
        ...

    async def remove(self, context: PlatformContext, ids: Sequence[str]) -> None:
        """End and remove jobs that `jobs` told of; those that are gone are no error. Raises PlatformError."""
        ...
