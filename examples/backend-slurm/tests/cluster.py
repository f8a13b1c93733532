"""A real Slurm for tests: munged, slurmctld and two slurmd on free ports, in a directory of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

__all__ = ["Cluster", "missing"]

DAEMONS = ("munged", "slurmctld", "slurmd", "sbatch")
_START_S = 30.0

CONFIGURATION = """\
ClusterName=af
SlurmctldHost={host}(127.0.0.1)
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


class Cluster:
    """Two nodes of 8 cores each, whatever the machine has.

    Args:
        directory: Empty.
        min_job_age_s: How long the queue shows jobs that have ended.
    """

    def __init__(self, directory: Path, *, min_job_age_s: int = 300) -> None:
        self.directory = directory
        self.configuration = directory / "slurm.conf"
        self._min_job_age_s = min_job_age_s

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
            f"NodeName=n{number} NodeAddr=127.0.0.1 NodeHostname={host} Port={port} CPUs=8 RealMemory=4000"
            for number, port in enumerate(ports[2:], start=1)
        )
        self.configuration.write_text(
            CONFIGURATION.format(
                host=host,
                directory=self.directory,
                controller=ports[0],
                daemon=ports[1],
                min_job_age=self._min_job_age_s,
                nodes=nodes,
            )
        )
        run, log = self.directory / "run", self.directory / "log"
        self._do(
            "munged", "--force", f"--key-file={key}", f"--socket={run}/munge.sock", f"--pid-file={run}/munged.pid",
            f"--log-file={log}/munged.log", f"--seed-file={self.directory}/munge/seed",
        )  # fmt: skip
        self.start_controller()
        for number in (1, 2):
            self._do("slurmd", "-f", str(self.configuration), "-N", f"n{number}")
        self._wait_idle()

    def start_controller(self) -> None:
        """Start slurmctld, also after `stop_controller`."""
        self._do("slurmctld", "-f", str(self.configuration))

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
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout

    def _do(self, *command: str) -> None:
        path = f"{os.environ['PATH']}:/usr/sbin"
        environment = os.environ | self.environment() | {"PATH": path}
        subprocess.run(
            [shutil.which(command[0], path=path) or command[0], *command[1:]], env=environment, check=True
        )

    def _end(self, name: str, how: signal.Signals = signal.SIGTERM) -> None:
        path = self.directory / "run" / f"{name}.pid"
        try:
            pid = int(path.read_text())
            os.kill(pid, how)
        except (FileNotFoundError, ProcessLookupError, ValueError):
            return
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
