"""`asyncflow card server`: the cards of runs on a local page, live."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.group import OurCommand
from asyncflow.cli.reading import open_store
from asyncflow.cli.runid import find_target

__all__ = ["command"]

_HELP = """Serve cards on a local page, redrawn while tasks run.

\b
  asyncflow card server         of all runs
  asyncflow card server 42      of run 42

It listens on 127.0.0.1 only, and answers who has the address that it tells. Ctrl-C ends it.
"""
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")


def command(flow: str | None) -> click.Command:
    """Make the command.

    Args:
        flow: The flow that is meant where none is named; None: any.
    """

    def server(run: str | None, port: int, is_opened: bool) -> None:
        try:
            import aiohttp  # noqa: F401 - 200 ms
        except ImportError as error:
            raise CommandError(
                "The card server needs aiohttp", hint="Install it: pip install 'asyncflow-run[cards]'"
            ) from error
        with open_store() as store:
            home = store.home
            number = None if run is None else find_target(store.reader, run, flow).run.run
        asyncio.run(_serve(home, number, port, is_opened=is_opened))

    parameters: list[click.Parameter] = [
        click.Argument(["run"], required=False, metavar="[RUN]"),
        click.Option(
            ["--port"],
            type=click.IntRange(0, 65535),
            default=0,
            help="Of 127.0.0.1.  [default: any that is free]",
        ),
        click.Option(["--open", "is_opened"], is_flag=True, help="Open it in the browser."),
    ]
    return OurCommand(name="server", params=parameters, callback=server, help=_HELP)


async def _serve(home: str, run: int | None, port: int, *, is_opened: bool) -> None:
    from asyncflow.cardserver import CardServer

    end = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, end.set)
    server = CardServer(
        home, run=run, on_problem=lambda told: terminal.err(f"What others do is not seen: {told}")
    )
    async with server.serving(port):
        terminal.out(server.url)
        terminal.err("Cards are served to this machine. Ctrl-C ends that.")
        if is_opened:
            await asyncio.to_thread(_open, server.url)
        await end.wait()
    terminal.err("The card server has ended.")


def _open(url: str) -> None:
    if sys.platform == "darwin" or any(os.environ.get(name) for name in _SCREENS):
        import webbrowser

        webbrowser.open(url)
