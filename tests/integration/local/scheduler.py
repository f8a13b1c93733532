"""A scheduler in a process of its own, to be killed: launches steps, and prints what it learns, one line each.

Arguments: the store's root, then the steps. It says `ready` when each of them has printed `ready`, and then goes on
until it is killed or its stdin ends.
"""

from __future__ import annotations

import sys

from asyncflow.backends.local import fork_zygote
from asyncflow.flow.load import load_flow
from tests.integration.local.support import NASTY


def main() -> None:
    zygote = fork_zygote(load_flow(str(NASTY)), subreaper=True)
    import anyio

    anyio.run(serve, zygote, sys.argv[1], sys.argv[2:])


async def serve(zygote, root: str, steps: list[str]) -> None:  # noqa: ANN001
    from asyncflow.machine.facts import WorkerLost
    from tests.contract.backend_suite import ends
    from tests.contract.local_bench import local_bench

    bench = local_bench(zygote, root)
    say(f"pid {zygote.pid}")
    attempts = [await bench.launch(step, number) for number, step in enumerate(steps, 1)]
    for attempt in attempts:
        await bench.until_started(attempt)
        await bench.until_printed(attempt, b"ready\n")
        say(bench.sink.text(attempt).decode().strip())
    say("all ready")
    await bench.until_ended(*attempts)
    for fact in ends(bench.facts):
        say(f"{type(fact).__name__} {isinstance(fact, WorkerLost) and fact.is_our_fault}")
    again = await bench.launch("silent", 100)
    await bench.until_ended(again)
    say(f"again {type(ends(bench.facts)[-1]).__name__}")
    sys.stdin.read()
    await bench.aclose()


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
