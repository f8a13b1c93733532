"""`asyncflow doctor --backend NAME [FLOW.py]`: is everything there that steps on a platform need?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.terminal import Span, Style
from asyncflow.errors import AsyncflowError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from asyncflow.backends.remote.provider import Finding, StepRequest

__all__ = ["examine_backend"]


def examine_backend(name: str, flow_file: str | None) -> int:
    """Look at everything that a run on a platform needs, and say what is missing; return the exit code.

    Args:
        name: The platform.
        flow_file: A flow whose steps are looked at, too; None: none.

    Raises:
        UserError: There is no such platform, or the flow cannot be loaded.
    """
    import anyio

    from asyncflow.backends.remote.provider import PlatformContext
    from asyncflow.backends.remote.registry import provider_named
    from asyncflow.store.home import make_home
    from asyncflow.store.replica import remote_url

    provider = provider_named(name)
    home = make_home()
    url = remote_url(home)
    terminal.out(f"Platform: {name}")
    findings = [_store_finding(url, home, shares_filesystem=provider.shares_filesystem)]
    context = PlatformContext(
        owner=_owner(home, url),
        steps=list(_steps(name, flow_file).values()),
        store_url=url or f"file://{home}",
    )
    findings += anyio.run(provider.examine, context)
    for finding in findings:
        _tell(finding)
    return ExitCode.OK if all(finding.is_ok for finding in findings) else ExitCode.FAILURE


def _store_finding(url: str | None, home: str, *, shares_filesystem: bool) -> Finding:
    from asyncflow.backends.remote.provider import Finding
    from asyncflow.store.fetching import objects_of

    if url is None:
        told = f"a directory, {home}"
        hint = "Keep runs in a bucket: --store s3://bucket/prefix"
        return Finding("store", shares_filesystem, told, "" if shares_filesystem else hint)
    try:
        objects = objects_of(home)
        if objects is not None:
            objects.check()
    except AsyncflowError as error:
        return Finding("store", False, error.message, error.hint)
    return Finding("store", True, url)


def _owner(home: str, url: str | None) -> str:
    from asyncflow.store.replica import owner_of

    return owner_of(home) if url is None else "0" * 8  # for looking around nothing is labelled


def _steps(name: str, flow_file: str | None) -> Mapping[str, StepRequest]:
    if flow_file is None:
        return {}
    from asyncflow.flow.load import load_flow
    from asyncflow.flow.parse import parse_flow
    from asyncflow.runtime.places import requests_of

    path, _, class_name = flow_file.partition(":")
    graph = parse_flow(load_flow(path, class_name or None))
    steps = requests_of(graph).get(name, {})
    if not steps:
        raise CommandError(
            f"No step of {flow_file} runs on {name}",
            hint=f"Put @{name} on a step, or leave the flow out: asyncflow doctor --backend {name}",
        )
    return steps


def _tell(finding: Finding) -> None:
    mark = Span("  ok    ", Style.GREEN) if finding.is_ok else Span("  lacks ", Style.BOLD_RED)
    terminal.out(mark, f"{finding.what}: {finding.told}")
    for line in finding.hint.splitlines() if not finding.is_ok else ():
        terminal.out("        ", line)
