"""The two ways in: the `asyncflow` command, and a flow's own file. Every error ends here, in words and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

import click

from asyncflow.cli import terminal
from asyncflow.cli.errors import tell
from asyncflow.cli.flow_file import config_options, suffixes_option
from asyncflow.cli.flow_options import flow_options
from asyncflow.cli.group import COMMANDS, CommandGroup
from asyncflow.cli.script import Script, keep_specs
from asyncflow.endings import end_process
from asyncflow.errors import ExitCode
from asyncflow.settings import apply_files

__all__ = ["asyncflow_group", "execute", "main", "program", "script_group"]

_EPILOG = "Wherever a run is asked for: its number, 'latest', 'Flow/42' or 'Flow/latest'."


def program(*, script: tuple[str, str] | None = None) -> NoReturn:
    """Run the process's command line and end the process, at once and as a program ends.

    For a process in which nothing is left to do after it; others call `main`. `script` is as there.
    """
    end_process(_flushed(_run(None, script)))


def main(argv: Sequence[str] | None = None, *, script: tuple[str, str] | None = None) -> NoReturn:
    """Run a command line and raise SystemExit with its exit code.

    Args:
        argv: The arguments. None: those of the process.
        script: File and flow class, when a flow's own file was started; without a command that is checked.
    """
    sys.exit(_flushed(_run(argv, script)))


def execute(make_group: Callable[[], click.Command], argv: Sequence[str], *, program: str) -> int:
    """Run a command line; return the exit code. Nothing is raised: what goes wrong is told on stderr."""
    if sys.platform == "win32":
        terminal.err("asyncflow runs on Linux and macOS. On Windows, use it inside WSL: https://aka.ms/wsl")
        return ExitCode.FAILURE
    try:
        if list(argv[:1]) != ["configure"]:  # which makes the files
            apply_files()
        group = make_group()
        with group.make_context(program, list(argv)) as context:
            return int(group.invoke(context) or 0)
    except BrokenPipeError:
        return _reader_left()
    except SystemExit as asked:
        return asked.code if isinstance(asked.code, int) else ExitCode.OK
    except BaseException as error:  # noqa: BLE001 - the last line
        try:
            return tell(error, program=program)
        except BrokenPipeError:
            return _reader_left()


def asyncflow_group() -> click.Group:
    """Make the commands of `asyncflow`."""
    return CommandGroup(
        script=None,
        names=list(COMMANDS),
        name="asyncflow",
        help="Run data-science flows, and look at what they did.",
        epilog=_EPILOG,
        params=[_version_option()],
        no_args_is_help=True,
    )


def script_group(script: Script) -> click.Group:
    """Make the commands of a flow's own file. Without a command it checks the flow."""
    return CommandGroup(
        script=script,
        names=list(COMMANDS),
        name="flow",
        help=f"Run {script.class_name}, and look at what it did.",
        epilog=_EPILOG,
        params=[
            click.Option(
                ["--with", "with_specs"],
                multiple=True,
                metavar="SPEC",
                help="Put a decorator on every step, such as retry or retry:times=4.",
            ),
            *config_options(hidden=not _has_configs(script)),
            click.Option(["--quiet/--not-quiet", "is_quiet"], default=False, hidden=True),
            click.Option(["--pylint/--no-pylint", "is_linted"], default=True, hidden=True),
            *_hidden(flow_options(_flow_class(script))),
            *_place_options(),
            suffixes_option(hidden=True),
            _version_option(),
        ],
        callback=keep_specs,
    )


def _has_configs(script: Script) -> bool:
    """Tell whether the flow of the script being run has configs."""
    from asyncflow.flow.config import configs_of

    return bool(configs_of(_flow_class(script)))


def _flow_class(script: Script) -> type:
    """Return the flow of the script being run; any class where it cannot be told."""
    flow_class = getattr(sys.modules.get("__main__"), script.class_name, None)
    return flow_class if isinstance(flow_class, type) else object


def _hidden(options: list[click.Option]) -> list[click.Option]:
    """Let options work and not be listed: they are the commands' own."""
    for option in options:
        option.hidden = True
        option.envvar = None
    return options


def _place_options() -> list[click.Option]:
    """Make Metaflow's options for where things lie."""
    local = click.Choice(["local"])
    return [
        click.Option(["--metadata"], type=local, expose_value=False, hidden=True),
        click.Option(
            ["--datastore"],
            type=click.Choice(["local", "s3"]),
            expose_value=False,
            callback=_use_kind,
            help="s3: in the bucket that METAFLOW_DATASTORE_SYSROOT_S3 or --datastore-root names.",
        ),
        *[
            click.Option([f"--{name}"], type=click.Choice([only]), expose_value=False, hidden=True)
            for name, only in (("event-logger", "nullSidecarLogger"), ("monitor", "nullSidecarMonitor"))
        ],
        click.Option(
            ["--mode"], type=click.Choice(["spin"]), expose_value=False, hidden=True, callback=_use_spun
        ),
        click.Option(
            ["--environment"],
            type=local,
            expose_value=False,
            callback=_use_environment,
            help="local: with the packages that are installed, whatever @conda and @pypi say.",
        ),
        click.Option(
            ["--datastore-root"],
            metavar="DIR",
            expose_value=False,
            callback=_use_store,
            help="The store's directory, or with --datastore s3 its address in a bucket.",
        ),
    ]


def _use_store(_context: click.Context, _option: click.Parameter, root: str | None) -> None:
    if root is None:
        return
    if "://" in root:
        os.environ["METAFLOW_DATASTORE_SYSROOT_S3"] = root
        return
    from asyncflow.store.home import HOME_VARIABLE

    os.environ[HOME_VARIABLE] = os.path.abspath(root)


def _use_kind(_context: click.Context, _option: click.Parameter, kind: str | None) -> None:
    if kind is not None:
        os.environ["METAFLOW_DEFAULT_DATASTORE"] = kind


def _use_environment(_context: click.Context, _option: click.Parameter, name: str | None) -> None:
    if name is not None:
        from asyncflow.flow.ability import ENVIRONMENT_VARIABLES

        os.environ[ENVIRONMENT_VARIABLES[0]] = name


def _use_spun(_context: click.Context, _option: click.Parameter, mode: str | None) -> None:
    if mode is not None:
        from asyncflow.store.home import HOME_VARIABLE, find_home
        from asyncflow.store.layout import SPIN_STORE, STORE_DIRECTORY

        os.environ[HOME_VARIABLE] = f"{find_home() or os.path.abspath(STORE_DIRECTORY)}/{SPIN_STORE}"


def _version_option() -> click.Option:
    def show(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
        if is_asked and not context.resilient_parsing:
            from asyncflow.version import __version__

            terminal.out(f"asyncflow {__version__}")
            context.exit()

    return click.Option(
        ["--version"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show the version and exit.",
    )


def _reader_left() -> int:
    """Whoever read our output has enough (`| head`): that is no failure, and nothing more is written."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(nowhere, stream.fileno())
        except (OSError, ValueError):
            continue  # it is closed, or no file at all
    return ExitCode.OK


def _run(argv: Sequence[str] | None, script: tuple[str, str] | None) -> int:
    given = sys.argv[1:] if argv is None else argv
    if script is None:
        asked = os.environ.get("_ASYNCFLOW_COMPLETE")
        if asked:
            from asyncflow.cli.completion import complete  # only for shells that ask

            return complete(asyncflow_group(), asked)
        return execute(asyncflow_group, given, program="asyncflow")
    started = Script(*script)
    program = f"python {os.path.basename(started.file)}"
    return execute(lambda: script_group(started), given or ["check"], program=program)


def _flushed(code: int) -> int:
    """Write out what is printed, as long as somebody reads it; return `code`."""
    try:
        sys.stdout.flush()
    except (BrokenPipeError, ValueError):
        _reader_left()
    return code
