"""`asyncflow package`: what workers elsewhere get of a flow's code."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError
from asyncflow.cli.flow_file import flow_parameters, of_parameters, suffixes_option
from asyncflow.cli.group import OurCommand, help_option
from asyncflow.cli.script import Script
from asyncflow.text import bytes_text

if TYPE_CHECKING:
    from asyncflow.store.package.build import Package

__all__ = ["command"]

_HELP = """See what workers elsewhere get of a flow's code.

\b
  asyncflow package info flow.py        how much it is
  asyncflow package list flow.py        the files
  asyncflow package save flow.py DIR/code.tar.gz

Packed are the files with certain suffixes in the flow's directory and below, and modules of yours that it imports from
elsewhere. Left out is what is hidden, installed, or named like a key or a password file.
"""


class _PackageGroup(click.Group):
    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return help_option()


def command(script: Script | None = None) -> click.Command:
    """Make the group of commands."""
    group = _PackageGroup(name="package", help=_HELP, params=[_timeout_option()], callback=_ready)
    for one in (_info(script), _list(script), _save(script)):
        group.add_command(one)
    return group


def _ready(timeout: int) -> None:
    """Metaflow packs beside the command and waits for it so long; here the command packs, and so never waits."""


def _timeout_option() -> click.Option:
    return click.Option(["--timeout"], type=int, default=60, hidden=True)


def _info(script: Script | None) -> click.Command:
    def show(**given: Any) -> None:  # Any: what click parsed
        package = _packed(script, given)
        terminal.out(f"digest      {package.digest}")
        terminal.out(f"size        {bytes_text(package.size_bytes)}")
        terminal.out(f"flow        {package.script}")
        terminal.out(f"files       {len(package.files)}")
        terminal.out(f"archive     {package.path}")
        for path in package.left_out:
            terminal.err(f"Left out, as it looks like a secret: {path}")

    return OurCommand(name="info", params=_parameters(script), callback=show, help="How much it is.")


def _list(script: Script | None) -> click.Command:
    def show(is_archive: bool, saved: str | None = None, **given: Any) -> None:  # Any: as above
        saved = saved or (str(given["file"]) if _is_archive(given.get("file")) else None)
        if saved is not None:
            names = _names_in(saved)
        else:
            package = _packed(script, given)
            names = _names_in(package.path) if is_archive else list(package.files)
        for name in names:
            terminal.out(name)

    option = click.Option(
        ["--archive/--no-archive", "is_archive"],
        default=False,
        help="All that is in the archive, with what asyncflow brings along.",
    )
    parameters = [*_parameters(script), option]
    if script is not None:
        parameters.append(click.Argument(["saved"], required=False, metavar="[ARCHIVE]"))
    return OurCommand(
        name="list",
        params=parameters,
        callback=show,
        help="The files; those of a saved archive, if one is named.",
    )


def _save(script: Script | None) -> click.Command:
    def save(path: str, **given: Any) -> None:  # Any: as above
        import shutil

        package = _packed(script, given)
        place = os.path.join(path, f"{package.digest}.tar.gz") if os.path.isdir(path) else path
        try:
            shutil.copyfile(package.path, place)
        except OSError as error:
            raise CommandError(f"{place} cannot be written: {error.strerror}") from error
        terminal.out(place)

    argument = click.Argument(["path"], metavar="PATH")
    return OurCommand(
        name="save", params=[*_parameters(script), argument], callback=save, help="Write the archive."
    )


def _parameters(script: Script | None) -> list[click.Parameter]:
    return [*flow_parameters(script), suffixes_option()]


def _packed(script: Script | None, given: dict[str, Any]) -> Package:  # Any: what click parsed
    from asyncflow.flow.mutators import mutate
    from asyncflow.worker.packing import package_of

    flow = of_parameters(script, **given)
    mutate(flow.flow_class)
    return package_of(flow.flow_class, flow.file)


def _is_archive(path: object) -> bool:
    return isinstance(path, str) and not path.endswith(".py") and os.path.isfile(path)


def _names_in(path: str) -> list[str]:
    import tarfile

    try:
        with tarfile.open(path) as archive:
            return archive.getnames()
    except (OSError, tarfile.TarError) as error:
        raise CommandError(f"{path} is no archive that can be read: {error}") from error
