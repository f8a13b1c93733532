"""Runs Slurm's commands, and tells what they refuse from troubles that pass.

Texts in formats of our own are read, not `--json`: that has changed with most releases of Slurm, these have not.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, TypeVar

import anyio

from asyncflow.backends.remote.platform import Phase
from asyncflow.errors import PlatformError, UserError
from asyncflow_slurm.identity import Identity
from asyncflow_slurm.states import Row, exit_code_of, phase_of

__all__ = ["Cluster", "Commands", "Listed", "Refusal", "Trouble"]

Answer = TypeVar("Answer")

_LONGEST_CALL_S = 60.0
_MOST_IDS = 400
"""In one command; the system limits how long a command may be."""
_PASSING = (
    "unable to contact", "socket timed out", "zero bytes were transmitted", "temporarily unable", "connection refused",
    "connection timed out", "unable to connect", "standby mode", "transport endpoint", "munge", "try again",
    "message send failure", "message receive failure", "resource temporarily unavailable",
)  # fmt: skip
_CERTAIN = ("invalid", "specification can not be satisfied", "unrecognized option", "unknown option")
"""What depends on no node's or partition's being up."""
_QUOTA = ("maxsubmit", "job submit limit")
_QUEUE = "ArrayJobID:16|,ArrayTaskID:16|,State:24|,exit_code:12|,Reason:80|,NodeList:200"
_KEPT = ("SLURM_CONF", "SLURM_CLUSTERS", "SLURM_CONF_SERVER")
"""The other variables of the kind belong to the job in which the scheduler itself may run."""


class Trouble(Exception):
    """The cluster did not answer, or not properly: it may have done what it was asked, or not."""


class Refusal(Exception):
    """The cluster has said no."""

    @property
    def is_quota(self) -> bool:
        """Whether it may say yes when other jobs have ended."""
        return any(word in str(self).lower() for word in _QUOTA)

    @property
    def is_certain(self) -> bool:
        """Whether it will never say yes to this."""
        return any(word in str(self).lower() for word in _CERTAIN)


class Cluster(NamedTuple):
    """What the cluster's configuration says."""

    name: str
    version: str
    largest_array: int
    has_accounting: bool


class Listed(NamedTuple):
    """A job of ours, as found by its comment."""

    id: str
    identity: Identity
    position: int
    """In the array."""
    is_over: bool
    created_at: float


class Commands:
    """Slurm's commands, as the user who runs the scheduler.

    Args:
        patience_s: How long troubles are taken for passing ones.
    """

    def __init__(self, *, patience_s: float) -> None:
        self._patience_s = patience_s
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("SQUEUE_", "SACCT_", "SCANCEL_"))
            and (not name.startswith("SLURM_") or name in _KEPT)
        } | {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s"}

    async def cluster(self) -> Cluster:
        """Read the cluster's configuration. Raises UserError if there is no client of Slurm, and PlatformError."""
        if shutil.which("sbatch") is None:
            raise UserError(
                "There is no sbatch on this machine",
                hint="Install Slurm's client (Debian: slurm-client), or run on a login node of the cluster.",
            )
        if (named := os.environ.get("SLURM_CONF")) and not os.access(named, os.R_OK):
            raise UserError(
                f"SLURM_CONF={named} cannot be read", hint="Unset it, or name the cluster's configuration."
            )
        try:
            text = await self._run("scontrol", "show", "config")
        except (Refusal, Trouble) as error:
            raise PlatformError(
                f"The cluster does not answer: {error}",
                hint="Try: scontrol ping; SLURM_CONF names another configuration.",
            ) from error
        said = dict(re.findall(r"^(\w+)\s*= (.*?)\s*$", text, re.MULTILINE))
        return Cluster(
            name=said.get("ClusterName", "slurm"),
            version=said.get("SLURM_VERSION", "?"),
            largest_array=int(said.get("MaxArraySize", "1001").split()[0]) - 1,
            has_accounting=not said.get("AccountingStorageType", "accounting_storage/none").endswith("/none"),
        )

    async def submit(self, flags: Sequence[str], script: str) -> str:
        """Ask for a job or an array once; return its id. Raises Refusal and Trouble."""
        answer = await self._run("sbatch", *flags, stdin=script)
        return answer.strip().splitlines()[-1].partition(";")[0]

    async def try_out(self, flags: Sequence[str], script: str) -> str:
        """Return what the cluster says it would do with a job. Raises Refusal and Trouble."""
        return await self._run("sbatch", "--test-only", *flags, stdin=script, is_told_on_stderr=True)

    async def queue(self) -> dict[str, Row]:
        """Return all of the user's jobs, also those that ended lately, by id. Raises Trouble."""
        text = await self._asked("squeue", "-h", "-r", "-t", "all", "-u", str(os.getuid()), "-O", _QUEUE)
        rows = (_row([word.strip() for word in line.split("|")]) for line in text.splitlines())
        return {row.id: row for row in rows if row is not None}

    async def listed(self) -> list[Listed]:
        """Return all of the user's jobs that say whose they are. Raises Trouble."""
        text = await self._asked(
            "squeue", "-h", "-r", "-t", "all", "-u", str(os.getuid()), "-o", "%F|%K|%T|%V|%k"
        )
        return [found for line in text.splitlines() if (found := _listed(line)) is not None]

    async def accounted(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return what accounting knows of jobs, by id. Raises Trouble."""
        rows: dict[str, Row] = {}
        for some in _some(ids):
            text = await self._asked(
                "sacct", "-n", "-P", "-X", "-j", ",".join(some), "-o", "JobID,State,ExitCode,NodeList"
            )
            for line in text.splitlines():
                job, state, code, node = line.split("|")[:4]
                exit_code, _, signal = code.partition(":")
                status = int(exit_code or 0) << 8 | int(signal or 0)
                rows[job] = Row(job, state.split()[0], exit_code_of(str(status)), "", node)
        return rows

    async def signal(self, ids: Sequence[str], name: str) -> None:
        """Send the scripts of running jobs a signal, and cancel those that have not begun. Raises Trouble."""
        for some in _some(ids):
            await self._cancel("--state=PENDING", *some)
            await self._cancel(f"--signal={name}", "--batch", *some)

    async def cancel(self, ids: Sequence[str]) -> None:
        """End jobs in Slurm's own way. Raises Trouble."""
        for some in _some(ids):
            await self._cancel(*some)

    async def patiently(self, ask: Callable[[], Awaitable[Answer]], *, what: str) -> Answer:
        """Ask until there is an answer, with growing random pauses. Raises PlatformError when patience ends."""
        pause_s, told = 0.5, ""
        with anyio.move_on_after(self._patience_s):
            while True:
                try:
                    return await ask()
                except Trouble as error:
                    told = str(error)
                await anyio.sleep(pause_s * random.uniform(0.5, 1.5))
                pause_s = min(pause_s * 2, 30.0)
        raise PlatformError(
            f"The cluster has not answered for {self._patience_s:g} s; {what}: {told or 'it said nothing'}",
            hint="Jobs go on. When `scontrol ping` says UP again, resume the run.",
        )

    async def _cancel(self, *words: str) -> None:
        try:
            await self._run("scancel", *words)
        except Refusal:
            pass  # some have ended: the queue tells of the others

    async def _asked(self, *command: str) -> str:
        try:
            return await self._run(*command)
        except Refusal as error:
            raise Trouble(str(error)) from error

    async def _run(self, *command: str, stdin: str = "", is_told_on_stderr: bool = False) -> str:
        try:
            with tempfile.TemporaryFile() as given, anyio.fail_after(_LONGEST_CALL_S):
                given.write(stdin.encode())  # not a pipe, which breaks if the command ends without reading
                given.seek(0)
                done = await anyio.run_process(command, stdin=given, check=False, env=self._environment)
        except TimeoutError:
            raise Trouble(f"{command[0]} did not answer within {_LONGEST_CALL_S:g} s") from None
        except OSError as error:
            raise Trouble(f"{command[0]}: {error}") from error
        said = done.stderr.decode(errors="replace").strip()
        if done.returncode == 0:
            return said if is_told_on_stderr else done.stdout.decode(errors="replace")
        words = re.sub(rf"^{command[0]}: (error: |fatal: )?", "", said, flags=re.MULTILINE).replace(
            "\n", "; "
        )
        words = words or f"{command[0]} ended with exit code {done.returncode}"
        is_passing = any(word in words.lower() for word in _PASSING)
        raise Trouble(words) if is_passing else Refusal(words)


def _row(words: list[str]) -> Row | None:
    if len(words) != 6:
        return None
    array, position, state, status, reason, node = words
    job = f"{array}_{position}" if position.isdigit() else array
    return Row(
        job, state, exit_code_of(status) if status.isdigit() else None, reason.strip("()"), node.strip("()")
    )


def _listed(line: str) -> Listed | None:
    array, position, state, created, comment = [*line.split("|", 4), "", "", "", ""][:5]
    identity = Identity.read(comment)
    if identity is None:
        return None
    is_array = position.isdigit()
    return Listed(
        id=f"{array}_{position}" if is_array else array,
        identity=identity,
        position=int(position) if is_array else 0,
        is_over=phase_of(state) is Phase.ENDED,
        created_at=float(created) if created.isdigit() else 0.0,
    )


def _some(ids: Sequence[str]) -> list[Sequence[str]]:
    return [ids[start : start + _MOST_IDS] for start in range(0, len(ids), _MOST_IDS)]
