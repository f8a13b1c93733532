"""Options that `run` and `resume` share."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any

import click

from asyncflow.cli.errors import CommandError
from asyncflow.cli.flow_file import with_option
from asyncflow.cli.numbers import Amount, Count
from asyncflow.records import fields, record

__all__ = ["RunOptions", "check_run_id_file", "default_options", "run_options"]

_LONGEST_TAG = 500
_LOCAL_WORKERS = 16
_REMOTE_WORKERS = 1000


@record
class RunOptions:
    """What the command line says about how to run, apart from the flow's own parameters."""

    max_workers: int | None
    """None: not given."""
    max_async: int
    async_workers: int
    max_num_splits: int | None
    max_log_mb: float | None
    tags: tuple[str, ...]
    with_specs: tuple[str, ...]
    run_id_file: str | None
    runner_attribute_file: str | None
    notify: str | None
    ui: str
    keep_going: bool
    failure_grace_s: float
    isolation: str
    cache: bool | None
    spot_retries: int
    k8s_template: str | None
    """Path of a file."""

    @property
    def slots(self) -> int:
        """How many tasks may run on this machine at the same time."""
        return _LOCAL_WORKERS if self.max_workers is None else self.max_workers

    @property
    def max_remote(self) -> int:
        """How many tasks may run elsewhere at the same time."""
        return _REMOTE_WORKERS if self.max_workers is None else self.max_workers

    def place_settings(self) -> dict[str, Any]:  # Any: as providers take them
        """Return what the options say to platforms. Raises CommandError if a file cannot be read."""
        if self.k8s_template is None:
            return {}
        try:
            with open(self.k8s_template, encoding="utf-8") as file:
                return {"k8s_template": file.read()}
        except (OSError, UnicodeDecodeError) as error:
            raise CommandError(f"--k8s-template {self.k8s_template} cannot be read: {error}") from error

    @property
    def most_log_bytes(self) -> int | None:
        """As `RunRequest.most_log_bytes` takes it."""
        return None if self.max_log_mb in (None, float("inf")) else int((self.max_log_mb or 0) * 1_000_000)

    @property
    def cache_mode(self) -> str | None:
        """As `RunRequest.cache` takes it."""
        return None if self.cache is None else ("all" if self.cache else "none")


def run_options() -> list[click.Option]:
    """Make the options; click hands them over under the names of `RunOptions`."""
    return [
        *_limit_options(),
        click.Option(
            ["--tag", "tags"],
            multiple=True,
            metavar="TAG",
            callback=_checked_tags,
            help="Mark the run, to find it again with `runs --tag`. May be repeated.",
        ),
        with_option(),
        *_file_options(),
        click.Option(
            ["--ui"],
            type=click.Choice(["auto", "tui", "plain", "json", "none"]),
            default="auto",
            envvar="ASYNCFLOW_UI",
            show_default=True,
            help="What to show: a dashboard, lines for people, JSON events for programs, or nothing. auto: the "
            "dashboard on a terminal, else lines.  [env: ASYNCFLOW_UI]",
        ),
        click.Option(
            ["--keep-going"],
            is_flag=True,
            help="After a failure, go on with everything that does not depend on it.",
        ),
        click.Option(
            ["--failure-grace", "failure_grace_s"],
            type=Amount(min=0),
            default=5.0,
            show_default=True,
            metavar="SECONDS",
            help="After a failure, how long tasks that run may go on before they are stopped.",
        ),
        click.Option(
            ["--isolation"],
            type=click.Choice(["fork", "spawn"]),
            default="spawn" if sys.platform == "darwin" else "fork",
            show_default=True,
            help="How a task's process begins: a fork that has the flow imported, or a new interpreter.",
        ),
        *_elsewhere_options(),
        click.Option(
            ["--cache/--no-cache", "cache"],
            default=None,
            help="Take over the results of earlier tasks with the same code and inputs: of all steps, or of none.  "
            "[default: of the steps with @cache]",
        ),
    ]


def _elsewhere_options() -> list[click.Option]:
    """Make the options of steps that run on other platforms."""
    return [
        click.Option(
            ["--spot-retries"],
            type=Count(min=0),
            default=100,
            metavar="N",
            show_default=True,
            help="How often a task may lose its machine (spot reclaim, eviction, a lost node) before that counts as "
            "a failure; @retry is not used up before.",
        ),
        click.Option(
            ["--k8s-template"],
            type=click.Path(dir_okay=False),
            metavar="FILE.yaml",
            help="What every pod of the run has on top: a pod's YAML, laid over ours.",
        ),
    ]


def default_options(given: Mapping[str, Any]) -> RunOptions:  # Any: what click parsed
    """Return the options of a command that has some of them only; the others are as if they were not given."""
    with click.Command("run", params=[*run_options()]).make_context("run", []) as context:
        known = {**context.params, **given}
    return RunOptions(**{item.name: known[item.name] for item in fields(RunOptions)})


def _file_options() -> list[click.Option]:
    return [
        click.Option(
            ["--run-id-file"],
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="Write the run's id to this file as soon as there is one.",
        ),
        click.Option(
            ["--notify"],
            metavar="URL",
            envvar="ASYNCFLOW_NOTIFY",
            callback=_checked_url,
            help="Post the run's events there as JSON (CloudEvents), while it runs.  [env: ASYNCFLOW_NOTIFY]",
        ),
        click.Option(
            ["--runner-attribute-file"],
            type=click.Path(dir_okay=False),
            metavar="FILE",
            hidden=True,
            help="Write run id, flow and store to this file, as JSON, as soon as there is a run.",
        ),
    ]


def _limit_options() -> list[click.Option]:
    return [
        click.Option(
            ["--max-workers"],
            type=Count(min=1),
            metavar="N",
            help="How many tasks may run at the same time, here and elsewhere; async steps are not counted.  "
            f"[default: {_LOCAL_WORKERS} on this machine, {_REMOTE_WORKERS:,} elsewhere]",
        ),
        click.Option(
            ["--max-async"],
            type=Count(min=1),
            default=1000,
            metavar="N",
            show_default=True,
            help="How many tasks of async steps may run at the same time.",
        ),
        click.Option(
            ["--async-workers"],
            type=Count(min=1),
            default=1,
            metavar="N",
            show_default=True,
            help="How many processes share the tasks of async steps; more than one helps where one core is busy.",
        ),
        click.Option(
            ["--max-num-splits"],
            type=Count(min=1),
            metavar="N",
            help="Fail when one foreach yields more tasks than this; without it there is no limit.",
        ),
        click.Option(
            ["--max-log-size", "max_log_mb"],
            type=Amount(min=0),
            metavar="MB",
            help="Keep no more than this of each stream of a task; without it there is no limit.",
        ),
    ]


def check_run_id_file(path: str | None) -> None:
    """Refuse a run id file that cannot be written, before the run begins. Raises CommandError."""
    if path is None:
        return
    directory = os.path.dirname(os.path.abspath(path))
    target = path if os.path.exists(path) else directory
    if not os.path.isdir(directory):
        raise CommandError(
            f"--run-id-file {path}: there is no directory {directory}", hint=f"mkdir -p {directory}"
        )
    if not os.access(target, os.W_OK):
        raise CommandError(
            f"--run-id-file {path} cannot be written", hint="Name a file in a directory of yours."
        )


def _checked_url(context: click.Context, option: click.Parameter, url: str | None) -> str | None:
    if not url:
        return None
    from asyncflow.runtime.notify import checked_url

    return checked_url(url)


def _checked_tags(
    context: click.Context, option: click.Parameter, tags: Any
) -> tuple[str, ...]:  # Any: what click parsed
    checked: dict[str, None] = {}
    for tag in tags or ():
        if not tag.strip():
            raise click.BadParameter("a tag must not be empty", context, option)
        if len(tag) > _LONGEST_TAG:
            raise click.BadParameter(
                f"a tag has at most {_LONGEST_TAG} characters, this one has {len(tag)}", context, option
            )
        checked[tag] = None
    return tuple(checked)
