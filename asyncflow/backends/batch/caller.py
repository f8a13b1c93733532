"""Who asks AWS: tries again what may pass, asks less when AWS wants that, renews credentials that have expired."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio

from asyncflow.backends.batch.failures import BatchSetupError, Problem, problem_of, told
from asyncflow.backends.batch.library import call_errors, new_session, opening_client
from asyncflow.errors import AsyncflowError
from asyncflow.store.s3.policy import MOST_TRIES, Rate, Verdict, pause_s

__all__ = ["Caller", "MayBeDone", "Refusal", "open_caller"]

_MOST_RENEWALS = 2
"""Of the credentials, for one request."""


class Refusal(Exception):
    """AWS's last word on a request, for those who make something of it."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class MayBeDone(Exception):
    """No answer came, or a broken one: whether the request was carried out is unknown."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code)
        self.problem = problem


class Caller:
    """Calls operations of AWS's services, those of one account and region. Made by `open_caller`.

    Args:
        clients: Closes what it opens.
        tries: Of one request, the first included, as long as it may pass.
    """

    def __init__(self, clients: AsyncExitStack, *, tries: int = MOST_TRIES) -> None:
        self._stack = clients
        self._tries = tries
        self._session: Any = new_session()  # Any: aiobotocore's
        self._clients: dict[str, Any] = {}  # Any: made by botocore from descriptions
        self._rates: dict[str, Rate] = {}
        self._renewing = asyncio.Lock()
        self._generation = 0
        self.calls: Counter[str] = Counter()
        """What was sent, by operation; each try counts."""
        region = self._session.get_config_variable("region")
        if not region:
            raise BatchSetupError(
                "AWS Batch: there is no region", hint="Set AWS_REGION, or a region in your AWS profile."
            )
        self.region = str(region)

    @property
    def server(self) -> str:
        """Who is asked, for messages."""
        return f"AWS Batch in {self.region}"

    async def ask(self, operation: str, what: str, *, service: str = "batch", **arguments: Any) -> Any:
        """Call an operation and return its answer.

        Args:
            operation: In botocore's spelling, such as `describe_jobs`.
            what: What is not possible without it, for the message, such as `jobs cannot be looked at`.
            service: Whose operation it is.
            arguments: The operation's.

        Raises:
            PlatformError: It was refused, or there is no sensible answer; in words.
            UserError: The configuration is wrong; in words.
        """
        try:
            return await self.try_(operation, service=service, **arguments)
        except (Refusal, MayBeDone) as error:
            raise self.told(error.problem, what) from error

    async def try_(
        self, operation: str, *, service: str = "batch", once: bool = False, **arguments: Any
    ) -> Any:  # Any: the answer
        """Call an operation, for those who make something of a refusal.

        Args:
            operation: As in `ask`.
            service: As in `ask`.
            once: Do not repeat it unless it is certain that it was not carried out.
            arguments: The operation's.

        Raises:
            Refusal: AWS says no, and will again; or it asked for patience too often.
            MayBeDone: With `once`, no sensible answer came; without, again and again.
        """
        renewals = tries = 0
        while True:
            tries += 1
            generation = self._generation
            try:
                return await self._send(service, operation, arguments)
            except call_errors() as error:
                problem = problem_of(error)
            if problem.is_expired and renewals < _MOST_RENEWALS:
                renewals += 1
                await self._renew(generation)
            elif problem.may_have_been_done and (once or tries >= self._tries):
                raise MayBeDone(problem)
            elif problem.verdict is Verdict.FINAL or tries >= self._tries:
                raise Refusal(problem)
            await anyio.sleep(pause_s(tries, random.random()))

    def told(self, problem: Problem, what: str) -> AsyncflowError:
        """Return the error that says in words what a problem means."""
        return told(problem, what, self.server)

    async def pages(
        self, operation: str, what: str, key: str, **arguments: Any
    ) -> AsyncGenerator[list[dict[str, Any]], None]:
        """Call an operation that answers page by page; yield what is under `key` of each.

        Raises as `ask` does.
        """
        while True:
            answer = await self.ask(operation, what, **arguments)
            yield answer.get(key) or []
            if not answer.get("nextToken"):
                return
            arguments["nextToken"] = answer["nextToken"]

    async def _send(self, service: str, operation: str, arguments: dict[str, Any]) -> Any:
        rate = self._rates.setdefault(service, Rate())
        wait = rate.wait_s(time.monotonic())
        if wait > 0:
            await anyio.sleep(wait)
        client = await self._client(service)
        self.calls[operation] += 1
        try:
            return await getattr(client, operation)(**arguments)
        except call_errors() as error:
            if problem_of(error).verdict is Verdict.SLOW_DOWN:
                rate.slow_down(time.monotonic())
            raise

    async def _client(self, service: str) -> Any:  # Any: see above
        found = self._clients.get(service)
        if found is None:
            async with self._renewing:
                found = self._clients.get(service)
                if found is None:
                    found = await self._stack.enter_async_context(opening_client(self._session, service))
                    self._clients[service] = found
        return found

    async def _renew(self, generation: int) -> None:
        """Read the credentials anew. Calls under way keep the old client, which is closed in the end."""
        async with self._renewing:
            if generation == self._generation:
                self._generation += 1
                self._clients.clear()
                self._session = new_session()


@asynccontextmanager
async def open_caller(*, tries: int = MOST_TRIES) -> AsyncGenerator[Caller, None]:
    """Make a caller, and close its connections in the end. Nothing is sent. Raises UserError."""
    clients = AsyncExitStack()
    try:
        yield Caller(clients, tries=tries)
    finally:
        with anyio.CancelScope(shield=True):
            await clients.aclose()
