"""Commands by name. A command's module is imported when the command is used, so that `--help` costs nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import click

from asyncflow.cli import terminal
from asyncflow.cli.script import Script

__all__ = [
    "COMMANDS",
    "METAFLOWS",
    "NOT_HERE",
    "CommandGroup",
    "Entry",
    "OurCommand",
    "OurGroup",
    "help_option",
    "store_option",
]


class Entry(NamedTuple):
    """One command as `--help` lists it."""

    module: str
    """Has `command(script)`, which makes the click command."""
    section: str
    help: str
    """One line; the command's own help begins with it."""


COMMANDS: Mapping[str, Entry] = {
    "run": Entry("asyncflow.cli.run", "Run", "Run a flow."),
    "resume": Entry("asyncflow.cli.resume", "Run", "Go on with a run; what went well is not run again."),
    "spin": Entry(
        "asyncflow.cli.spin", "Run", "Run one step again, with what an earlier task of it began with."
    ),
    "cancel": Entry(
        "asyncflow.cli.cancel", "Run", "Stop a run that goes on elsewhere, or single tasks of it."
    ),
    "retry": Entry("asyncflow.cli.retry", "Run", "Let tasks that wait for their next try have it at once."),
    "limits": Entry("asyncflow.cli.limits", "Run", "Change a living run's limits, or see what runs share."),
    "check": Entry("asyncflow.cli.check", "Look at a flow", "Check a flow's graph without running it."),
    "show": Entry(
        "asyncflow.cli.show", "Look at a flow", "Show a flow's steps, what they do, where they lead."
    ),
    "graph": Entry("asyncflow.cli.graph", "Look at a flow", "Write a flow's graph as dot, Mermaid or JSON."),
    "package": Entry(
        "asyncflow.cli.package", "Look at a flow", "See what workers elsewhere get of a flow's code."
    ),
    "tui": Entry(
        "asyncflow.cli.tui", "Look at runs", "Browse runs in the terminal, and watch those that live."
    ),
    "runs": Entry("asyncflow.cli.runs", "Look at runs", "List runs, newest first."),
    "logs": Entry("asyncflow.cli.logs", "Look at runs", "Show what tasks printed."),
    "dump": Entry("asyncflow.cli.dump", "Look at runs", "Show the artifacts of a step or a task."),
    "card": Entry(
        "asyncflow.cli.card", "Look at runs", "Look at the cards of tasks: reports that come with every run."
    ),
    "diff": Entry("asyncflow.cli.diff", "Look at runs", "Show how two runs differ."),
    "code": Entry("asyncflow.cli.code", "Look at runs", "Get back a run's code, or compare it."),
    "why": Entry("asyncflow.cli.why", "Look at runs", "Say why a task ran, or was taken over."),
    "tag": Entry("asyncflow.cli.tag", "Look at runs", "Put tags on a run, or take them off."),
    "completion": Entry("asyncflow.cli.completion", "Care", "Write what lets a shell complete asyncflow."),
    "init": Entry("asyncflow.cli.init", "Care", "Write a first flow."),
    "reap": Entry(
        "asyncflow.cli.reap", "Care", "End and remove jobs on other platforms that nobody waits for."
    ),
    "gc": Entry("asyncflow.cli.gc", "Care", "Remove what nobody needs from the store."),
    "doctor": Entry("asyncflow.cli.doctor", "Care", "Check the store, and repair what can be repaired."),
    "configure": Entry("asyncflow.cli.configure", "Care", "See and change the configuration file."),
    "version": Entry("asyncflow.cli.version", "Care", "Show the version."),
}
"""In the order of `--help`."""

METAFLOWS: Mapping[str, str] = {
    "help": "asyncflow.cli.version:help_command",
    "output-dot": "asyncflow.cli.output:dot_command",
    "output-raw": "asyncflow.cli.output:raw_command",
    "step": "asyncflow.cli.step:command",
}
"""Commands in Metaflow's words, not listed: name to module and function."""


NOT_HERE = (
    "airflow",
    "argo-workflows",
    "batch",
    "kubernetes",
    "spin-step",
    "spot-metadata",
    "step-functions",
    "tutorials",
)
"""Commands of Metaflow's that are said to be missing, as long as they are."""


def help_option() -> click.Option:
    """Make `--help`, which writes through our terminal."""

    def show(context: click.Context, _option: click.Parameter, is_asked: bool) -> None:
        if is_asked and not context.resilient_parsing:
            terminal.out(context.get_help())
            context.exit()

    return click.Option(
        ["--help"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=show,
        help="Show this text and exit.",
    )


def _runs(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[Any]:  # Any: click's completions
    from asyncflow.cli.completion import complete_runs  # only for shells that ask

    return complete_runs(context, parameter, incomplete)


_STORELESS = ("check", "show", "graph", "completion", "init", "version", "info", "save")
"""Commands that look at no store."""


def store_option() -> click.Option:
    """Make `--store`, which stands for the environment variable in this command."""

    def use(context: click.Context, _option: click.Parameter, store: str | None) -> None:
        if store is not None and not context.resilient_parsing:
            from asyncflow.store.replica import STORE_VARIABLE

            os.environ[STORE_VARIABLE] = store

    return click.Option(
        ["--store"],
        metavar="STORE",
        is_eager=True,
        expose_value=False,
        callback=use,
        help="Where runs are kept: a directory, or s3://bucket/prefix.  [env: ASYNCFLOW_STORE]",
    )


class OurCommand(click.Command):
    """A command whose help goes through our terminal, and whose parameters may stand in sections.

    Args:
        sections: Title by parameter name; the others stand under `Options`.
        options: What `click.Command` takes.
    """

    def __init__(self, *, sections: Mapping[str, str] | None = None, **options: Any) -> None:  # Any: click's
        super().__init__(**options)
        has_own = any("--store" in parameter.opts for parameter in self.params)
        if self.name not in _STORELESS and not has_own:
            self.params.append(store_option())
        self._sections = sections or {}
        for parameter in self.params:
            if isinstance(parameter, click.Argument) and str(parameter.metavar or "").startswith(
                ("RUN", "[RUN")
            ):
                parameter._custom_shell_complete = _runs  # pyright: ignore[reportPrivateUsage] - `shell_complete=` of each

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return help_option()

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse; an error knows which command it is about."""
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, section by section."""
        records: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None and isinstance(parameter, click.Option):
                title = self._sections.get(parameter.name or "", "Options")
                records.setdefault(title, []).append(record)
        for title, rows in records.items():
            with formatter.section(title):
                formatter.write_dl(rows)


class OurGroup(click.Group):
    """A group of commands whose help goes through our terminal."""

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        """Return `--help`."""
        return help_option()


class CommandGroup(click.Group):
    """All commands.

    Args:
        script: The flow's file that was started; None for `asyncflow` itself.
        names: The commands there are.
        options: What `click.Group` takes.
    """

    def __init__(
        self, *, script: Script | None, names: Sequence[str], **options: Any
    ) -> None:  # Any: click's
        super().__init__(**options)
        self._script = script
        self._names = list(names)

    def get_help_option(self, ctx: click.Context) -> click.Option | None:
        return help_option()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands, in the order of the help."""
        return self._names

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and make a command; None if there is none of that name."""
        if cmd_name in METAFLOWS:
            home, _, function = METAFLOWS[cmd_name].partition(":")
            hidden: click.Command = getattr(import_module(home), function)(self._script)
            return hidden
        if cmd_name not in self._names:
            return None
        made: click.Command = import_module(COMMANDS[cmd_name].module).command(self._script)
        return made

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with; suggest one where there is none."""
        name = args[0]
        if name not in self._names and name not in METAFLOWS and not name.startswith("-"):
            self._fail_unknown(ctx, name)
        return super().resolve_command(ctx, args)

    def _fail_unknown(self, ctx: click.Context, name: str) -> None:
        import difflib  # only to suggest

        if name in NOT_HERE:
            ctx.fail(
                f"Metaflow's command '{name}' is not here. What is, and what is not: docs/compatibility.md"
            )

        close = difflib.get_close_matches(name, self._names, n=1)
        suggestion = f" Did you mean '{close[0]}'?" if close else ""
        if not close and self._script is None and name.endswith(".py"):
            suggestion = f" To run a flow: {ctx.command_path} run {name}"
        ctx.fail(f"No such command '{name}'.{suggestion}")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, section by section, without importing one."""
        longest = max(len(name) for name in self._names)
        sections: dict[str, list[tuple[str, str]]] = {}
        for name in self._names:
            entry = COMMANDS[name]
            sections.setdefault(entry.section, []).append((name.ljust(longest), entry.help))
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(rows)
