"""The command line: how the server is to behave, and its life as a process."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import ssl
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web

from tests.services.kube.cluster import DEFAULT_NODES, Cluster, NodeSpec, Settings
from tests.services.kube.deletion import Deletion
from tests.services.kube.jobs import Jobs
from tests.services.kube.kubelet.kubelet import Kubelet, make_runtime
from tests.services.kube.scheduler import Scheduler
from tests.services.kube.wire.server import Server

_NUMBERS = (
    ("bookmark", "between bookmarks"),
    ("job_backoff", "before a Job replaces its first failed pod"),
    ("restart_backoff", "before a container is restarted"),
    ("image_backoff", "between attempts to pull an image"),
    ("noop", "that a pod runs in mode noop"),
    ("shutdown_grace", "at most that an evicted pod has to end"),
)
_CLOSE_S = 0.1


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM, SIGINT, or the end of standard input if `--with-parent`."""
    options = _parser().parse_args(arguments)
    try:
        asyncio.run(_serve(options))
    except KeyboardInterrupt:
        pass  # asked to end
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.services.kube", description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--mode", choices=("noop", "process", "docker", "podman"), default="process")
    parser.add_argument("--node", action="append", default=[], metavar="NAME,KEY=VALUE,...", help=_NODE_HELP)
    parser.add_argument(
        "--token", action="append", default=[], help="a bearer token; without one all are let in"
    )
    parser.add_argument("--tls-cert", type=Path, help="serve HTTPS with this certificate")
    parser.add_argument("--tls-key", type=Path)
    parser.add_argument(
        "--noop-call", default="", metavar="MODULE:FUNCTION", help="called with each pod in mode noop"
    )
    parser.add_argument(
        "--validate", action="append", default=[], metavar="VERSION", help="Kubernetes version"
    )
    parser.add_argument("--with-parent", action="store_true", help="end when standard input does")
    for name, what in _NUMBERS:
        default = getattr(Settings(), f"{name}_s")
        parser.add_argument(
            f"--{name.replace('_', '-')}", type=float, default=default, help=f"seconds {what}"
        )
    return parser


_NODE_HELP = "a node: cpu=8, memory=32Gi, nvidia.com/gpu=2, label.KEY=VALUE, taint.KEY=VALUE:EFFECT"


def parse_node(text: str) -> NodeSpec:
    """Return a node as the command line tells it."""
    name, *entries = text.split(",")
    capacity = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110"}
    labels, taints = {}, []
    for entry in entries:
        key, _, value = entry.partition("=")
        if key.startswith("label."):
            labels[key.removeprefix("label.")] = value
        elif key.startswith("taint."):
            taint, _, effect = value.partition(":")
            taints.append((key.removeprefix("taint."), taint, effect))
        else:
            capacity[key] = value
    return NodeSpec(name=name, capacity=capacity, labels=labels, taints=tuple(taints))


def _settings(options: argparse.Namespace) -> Settings:
    numbers = {f"{name}_s": getattr(options, name) for name, _ in _NUMBERS}
    return Settings(
        mode=options.mode,
        nodes=tuple(parse_node(node) for node in options.node) or DEFAULT_NODES,
        tokens=tuple(options.token),
        noop_call=options.noop_call,
        validate=tuple(options.validate),
        **numbers,
    )


async def _serve(options: argparse.Namespace) -> None:
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)  # clients that hang up are what this is for
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if options.with_parent:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    with tempfile.TemporaryDirectory(prefix="kubetest-", ignore_cleanup_errors=True) as folder:
        async with asyncio.TaskGroup() as group:
            await _run(_settings(options), group, Path(folder), options, stop)


async def _run(
    settings: Settings,
    group: asyncio.TaskGroup,
    folder: Path,
    options: argparse.Namespace,
    stop: asyncio.Event,
) -> None:
    cluster = Cluster(settings, group, folder)
    deletion = Deletion(cluster)
    scheduler = Scheduler(cluster)
    kubelet = Kubelet(cluster, make_runtime(cluster))
    server = Server(cluster, deletion, kubelet)
    jobs = Jobs(cluster, server.api.admission, deletion)
    parts = [group.create_task(part.run()) for part in (deletion, scheduler, kubelet, jobs)]
    runner = web.AppRunner(
        server.app(),
        access_log=None,
        handle_signals=False,
        shutdown_timeout=_CLOSE_S,
        handler_cancellation=True,
    )
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", options.port, ssl_context=_tls(options), backlog=1024)
    await site.start()
    scheme = "https" if options.tls_cert else "http"
    sys.stdout.write(f"{scheme}://127.0.0.1:{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await stop.wait()
    for part in parts:
        part.cancel()
    await kubelet.close()
    await runner.cleanup()


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.tls_cert is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.tls_cert, options.tls_key)
    return context
