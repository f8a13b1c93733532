"""`asyncflow configure`: the configuration file of a user or a profile, shown and changed."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import CommandError, NotFoundError
from asyncflow.cli.group import OurCommand, OurGroup
from asyncflow.cli.script import Script
from asyncflow.settings import PREFIXES, file_in_effect, file_of_user, read_file, setting

__all__ = ["command"]

_HELP = """See and change the configuration file.

\b
  asyncflow configure show
  asyncflow configure set METAFLOW_DEFAULT_DATASTORE=local ASYNCFLOW_UI=plain
  asyncflow configure set -p team ASYNCFLOW_USER=ada      config_team.json, which ASYNCFLOW_PROFILE=team asks for
  asyncflow configure export team.json -p team
  asyncflow configure import team.json -p team
  asyncflow configure reset

A setting is a variable's name with its prefix. What is in the environment wins over the file; of files the nearest
.asyncflow/config.json or .metaflow/config.json upwards from here wins over the user's own, which this command writes.
"""
_SETTING = re.compile(r"(?:ASYNCFLOW|METAFLOW)_[A-Z][A-Z0-9_]*\Z")
_HIDDEN = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|HEADERS")
_PROFILE = re.compile(r"[A-Za-z0-9_.-]+\Z")


def command(script: Script | None = None) -> click.Command:
    """Make the group of commands."""
    group = OurGroup(name="configure", help=_HELP)
    profile = click.Option(
        ["-p", "--profile"],
        metavar="NAME",
        callback=_checked,
        help="Of this profile.  [default: as set, or none]",
    )
    file = click.Argument(["file"], type=click.Path(dir_okay=False), metavar="FILE")
    given = click.Argument(["given"], nargs=-1, required=True, metavar="NAME=VALUE...")
    overwrite = click.Option(["-f", "--overwrite"], is_flag=True, help="Replace a file that is there.")
    for name, parameters, callback, text in (
        ("show", [profile], _show, "Show which file counts here, and what it says."),
        ("set", [given, profile], _set, "Set settings in the user's file; an empty value takes one out."),
        ("export", [file, profile, overwrite], _export, "Write the settings that count here to a file."),
        ("import", [file, profile, overwrite], _import, "Take a file as the user's."),
        ("reset", [profile], _reset, "Remove the user's file."),
    ):
        group.add_command(OurCommand(name=name, params=[*parameters], callback=callback, help=text))
    return group


def _checked(_context: click.Context, _option: click.Parameter, name: str | None) -> str | None:
    name = name or setting("PROFILE")
    if name is not None and not _PROFILE.match(name):
        raise CommandError(f"'{name}' is no name for a profile", hint="Letters, digits, _, - and . are.")
    return name


def _show(profile: str | None) -> None:
    path = file_in_effect(profile)
    if path is None:
        raise NotFoundError(
            "There is no configuration file" + (f" of profile '{profile}'" if profile else ""),
            hint=f"Make one: asyncflow configure set {_option(profile)}NAME=VALUE",
        )
    terminal.err(f"From {path}:")
    for name, value in sorted(read_file(path).items()):
        shown = "(hidden)" if _HIDDEN.search(name) and value else value
        terminal.out(f"{name} = {shown if isinstance(shown, str) else json.dumps(shown)}")


def _set(given: tuple[str, ...], profile: str | None) -> None:
    changes: dict[str, str] = {}
    for one in given:
        name, sign, value = one.partition("=")
        if not sign or not _SETTING.match(name):
            raise CommandError(
                f"'{one}' is no setting",
                hint=f"Write NAME=VALUE, with a NAME like {PREFIXES[0]}UI or {PREFIXES[1]}USER.",
            )
        changes[name] = value
    path = file_of_user(profile)
    values: dict[str, Any] = read_file(path) if os.path.exists(path) else {}  # Any: JSON
    _write(path, {name: value for name, value in {**values, **changes}.items() if value != ""})


def _export(file: str, profile: str | None, overwrite: bool) -> None:
    path = file_in_effect(profile)
    _write(file, {} if path is None else read_file(path), overwrite=overwrite)


def _import(file: str, profile: str | None, overwrite: bool) -> None:
    if not os.path.exists(file):
        raise NotFoundError(f"There is no file {file}")
    _write(file_of_user(profile), read_file(file), overwrite=overwrite)


def _reset(profile: str | None) -> None:
    path = file_of_user(profile)
    try:
        os.unlink(path)
    except FileNotFoundError:
        raise NotFoundError(f"There is no file {path}, so nothing is to be removed") from None
    except OSError as error:
        raise CommandError(f"{path} cannot be removed: {error.strerror}") from error
    terminal.err(f"Removed {path}")


def _write(path: str, values: dict[str, Any], *, overwrite: bool = True) -> None:  # Any: JSON
    if not overwrite and os.path.exists(path):
        raise CommandError(f"{path} is there already", hint="Say --overwrite, or name another file.")
    path = os.path.abspath(path)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        with open(
            os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8"
        ) as to:
            json.dump(values, to, indent=4, sort_keys=True)
            to.write("\n")
        os.replace(f"{path}.new", path)
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    terminal.err(f"Wrote {path}: {len(values)} setting{'' if len(values) == 1 else 's'}")


def _option(profile: str | None) -> str:
    return f"-p {profile} " if profile else ""
