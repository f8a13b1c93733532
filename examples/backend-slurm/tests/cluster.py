"""A real Slurm for tests: munged, slurmctld and two slurmd on free ports, in a directory of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

__all__ = ["Cluster", "Machine", "missing", "require"]

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
_START_S = 30.0

CONFIGURATION = """\
ClusterName=af
SlurmctldHost={controller_host}({address})
{listening}
AuthType=auth/munge
AuthInfo=socket={directory}/run/munge.sock
SlurmUser=root
SlurmctldPort={controller}
SlurmdPort={daemon}
StateSaveLocation={directory}/state
SlurmdSpoolDir={directory}/spool/%n
SlurmctldPidFile={directory}/run/slurmctld.pid
SlurmdPidFile={directory}/run/slurmd.%n.pid
SlurmctldLogFile={directory}/log/slurmctld.log
SlurmdLogFile={directory}/log/slurmd.%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=100
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=10000
ReturnToService=2
MpiDefault=none
MinJobAge={min_job_age}
SlurmdTimeout={slurmd_timeout}
KillWait=2
PropagateResourceLimits=NONE
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Say what is missing for a cluster; empty if nothing is."""
    if os.getuid() != 0:
        return "Slurm's daemons need root"
    gone = [name for name in DAEMONS if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None]
    return f"not installed: {', '.join(gone)} (Debian: slurmctld slurmd slurm-client munge)" if gone else ""


def require(missing: str) -> None:
    """Skip a test for which something is missing; fail it where nothing may be skipped (ASYNCFLOW_NO_SKIP)."""
    if missing and os.environ.get("ASYNCFLOW_NO_SKIP", "") not in ("", "0"):
        pytest.fail(f"no Slurm: {missing} (ASYNCFLOW_NO_SKIP is set)", pytrace=False)
    if missing:
        pytest.skip(f"no Slurm: {missing}")


class Machine(NamedTuple):
    """Where one of the cluster's daemons runs."""

    address: str = "127.0.0.1"
    prefix: tuple[str, ...] = ()
    """Of commands that are to run there."""


class Cluster:
    """Two nodes of 8 cores each, whatever the machine has.

    Args:
        directory: Empty.
        min_job_age_s: How long the queue shows jobs that have ended.
        slurmd_timeout_s: After how long without a word a node is down.
    """

    def __init__(self, directory: Path, *, min_job_age_s: int = 300, slurmd_timeout_s: int = 300) -> None:
        self.directory = directory
        self.configuration = directory / "slurm.conf"
        self.controller = Machine(
            prefix=("unshare", "--uts", "sh", "-c", 'hostname localhost && exec "$@"', "sh")
        )
        self.controller_host = "localhost"
        """slurmctld listens where the name of its host leads."""
        self.listening = "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny"
        """Nowhere but on the addresses of the configuration."""
        self.nodes = [Machine(), Machine()]
        self._times = {"min_job_age": min_job_age_s, "slurmd_timeout": slurmd_timeout_s}

    def start(self) -> None:
        """Start everything and wait until both nodes are idle."""
        self.directory.chmod(0o711)
        for name in ("spool", "state", "log", "munge", "run"):
            (self.directory / name).mkdir(mode=0o755)
        key = self.directory / "munge" / "key"
        key.write_bytes(secrets.token_bytes(1024))
        key.chmod(0o400)
        ports = _free_ports(4)
        host = socket.gethostname().partition(".")[0]
        nodes = "\n".join(
            f"NodeName=n{number} NodeAddr={node.address} NodeHostname={host} Port={port} CPUs=8 RealMemory=4000"
            for number, (node, port) in enumerate(zip(self.nodes, ports[2:], strict=True), start=1)
        )
        self.configuration.write_text(
            CONFIGURATION.format(
                host=host,
                directory=self.directory,
                controller=ports[0],
                daemon=ports[1],
                address=self.controller.address,
                controller_host=self.controller_host,
                listening=self.listening,
                nodes=nodes,
                **self._times,
            )
        )
        run, log = self.directory / "run", self.directory / "log"
        self._do(
            "munged", "--force", f"--key-file={key}", f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid",
            f"--log-file={log}/munged.log", f"--seed-file={self.directory}/munge/seed",
        )  # fmt: skip
        self.start_controller()
        for number, node in enumerate(self.nodes, start=1):
            self._do("slurmd", "-f", str(self.configuration), "-N", f"n{number}", prefix=node.prefix)
        self._wait_idle()

    def start_controller(self) -> None:
        """Start slurmctld, unless it runs."""
        if not self._pid("slurmctld"):
            self._do("slurmctld", "-f", str(self.configuration), prefix=self.controller.prefix)

    def wait_up(self) -> None:
        """Wait until the controller answers."""
        until = time.monotonic() + _START_S
        while (
            "UP"
            not in subprocess.run(
                [*self.controller.prefix, "scontrol", "ping"],
                env=os.environ | self.environment(),
                check=False,
                capture_output=True,
                text=True,
            ).stdout
        ):
            if time.monotonic() > until:
                raise TimeoutError("slurmctld does not answer")
            time.sleep(0.05)

    def stop_controller(self) -> None:
        """End slurmctld; jobs go on."""
        self._end("slurmctld")

    def kill_node(self, number: int) -> None:
        """Kill a node's daemon, as if its machine was gone."""
        self._end(f"slurmd.n{number}", signal.SIGKILL)

    def stop(self) -> None:
        """End everything that was started."""
        for name in ("slurmd.n1", "slurmd.n2", "slurmctld", "munged"):
            self._end(name)

    def environment(self) -> dict[str, str]:
        """Return what commands need to find the cluster."""
        return {"SLURM_CONF": str(self.configuration)}

    def ask(self, *command: str) -> str:
        """Return what one of Slurm's commands prints."""
        environment = os.environ | self.environment()
        words = [*self.controller.prefix, *command]
        return subprocess.run(words, env=environment, check=True, capture_output=True, text=True).stdout

    def _do(self, *command: str, prefix: Sequence[str] = ()) -> None:
        environment = os.environ | self.environment() | {"PATH": f"{os.environ['PATH']}:/usr/sbin"}
        subprocess.run([*prefix, *command], env=environment, check=True)

    def _pid(self, name: str) -> int:
        """Return the pid of a daemon that runs, or 0."""
        try:
            pid = int((self.directory / "run" / f"{name}.pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0
        return pid if Path(f"/proc/{pid}").exists() else 0

    def _end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        if pid := self._pid(name):
            os.kill(pid, how)
            until = time.monotonic() + _START_S
            while Path(f"/proc/{pid}").exists() and time.monotonic() < until:
                time.sleep(0.02)

    def _wait_idle(self) -> None:
        until = time.monotonic() + _START_S
        while self.ask("sinfo", "-h", "-o", "%D", "-t", "idle").strip() != "2":
            if time.monotonic() > until:
                raise TimeoutError(f"the nodes are not idle: {self.ask('sinfo')}")
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    held = [socket.socket() for _ in range(count)]
    for one in held:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports
