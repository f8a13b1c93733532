"""A driver that asks for pods, says so and waits to be killed: `python -m ... KUBECONFIG NAMESPACE WIDTH`."""

from __future__ import annotations

import asyncio
import sys

from asyncflow.backends.kubernetes.provider import PROVIDER
from asyncflow.backends.remote.provider import PlatformContext
from tests.integration.kubernetes.story import OWNER, Listener, job


async def main(kubeconfig: str, namespace: str, width: int) -> None:
    """Ask for pods of which every second ends soon."""
    settings = {"kubeconfig": kubeconfig, "namespace": namespace}
    async with PROVIDER.open(PlatformContext(owner=OWNER, run=7, settings=settings)) as platform:
        jobs = [job(task, "sleep 0.1" if task % 2 else "sleep 60") for task in range(1, width + 1)]
        assert await platform.submit(jobs) == []
        async with asyncio.TaskGroup() as group:
            group.create_task(Listener().listen(platform))  # type: ignore[arg-type]
            sys.stdout.write("submitted\n")
            sys.stdout.flush()
            await asyncio.sleep(600)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
