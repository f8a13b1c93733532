"""A cluster whose controller and nodes are hosts of their own on the network, so that one can be cut off.

Each is a network namespace; they talk over a bridge in the controller's. Nothing of it is in this machine's own
network.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from cluster import Cluster, Machine
from cluster import missing as missing_daemons

__all__ = ["ClusterApart", "missing"]

_CLIENTS = ("sbatch", "squeue", "scancel", "scontrol", "sinfo", "sacct")


def missing() -> str:
    """Say what is missing for such a cluster; empty if nothing is."""
    if why := missing_daemons():
        return why
    if shutil.which("ip") is None or shutil.which("nsenter") is None:
        return "not installed: ip, nsenter (Debian: iproute2, util-linux)"
    tried = subprocess.run(["unshare", "--net", "true"], capture_output=True, text=True, check=False)
    return f"no network namespaces: {tried.stderr.strip()}" if tried.returncode else ""


class ClusterApart(Cluster):
    """Three hosts: the controller and two nodes, which are down 5 s after they were heard of last."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, slurmd_timeout_s=5)
        self._names = [f"af{os.getpid()}-{number}" for number in range(3)]
        self.controller = Machine("10.77.0.1", _inside(self._names[0]))
        self.controller_host = socket.gethostname().partition(".")[0]
        self.listening = ""  # each host has its own network only
        self.nodes = [Machine(f"10.77.0.1{number}", _inside(self._names[number])) for number in (1, 2)]

    def start(self) -> None:
        """Make the hosts and the network between them, and start everything."""
        for name in self._names:
            _ip("netns", "add", name)
            _ip("-n", name, "link", "set", "lo", "up")
        hub = self._names[0]
        _ip("-n", hub, "link", "add", "hub", "type", "bridge")
        _ip("-n", hub, "address", "add", f"{self.controller.address}/24", "dev", "hub")
        _ip("-n", hub, "link", "set", "hub", "up")
        for number, name in enumerate(self._names[1:], start=1):
            _ip(
                "link",
                "add",
                f"v{number}",
                "netns",
                hub,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                name,
            )
            _ip("-n", hub, "link", "set", f"v{number}", "master", "hub", "up")
            _ip("-n", name, "address", "add", f"{self.nodes[number - 1].address}/24", "dev", "eth0")
            _ip("-n", name, "link", "set", "eth0", "up")
        self._make_clients()
        super().start()

    def cut_off(self, number: int) -> None:
        """Cut a node (1 or 2) off from the others; its processes go on."""
        _ip("-n", self._names[0], "link", "set", f"v{number}", "down")

    def join(self, number: int) -> None:
        """Connect a node again."""
        _ip("-n", self._names[0], "link", "set", f"v{number}", "up")

    def stop(self) -> None:
        """End everything that was started, and what runs on the hosts; remove them."""
        super().stop()
        for name in self._names:
            if Path(f"/run/netns/{name}").exists():
                for pid in _asked("ip", "netns", "pids", name).split():
                    with suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
                _ip("netns", "delete", name)

    def environment(self) -> dict[str, str]:
        """Return what commands need to find the cluster: clients that speak from the controller's host."""
        return {**super().environment(), "PATH": f"{self.directory}/bin:{os.environ['PATH']}"}

    def _make_clients(self) -> None:
        folder = self.directory / "bin"
        folder.mkdir()
        for name in _CLIENTS:
            client = folder / name
            client.write_text(
                f'#!/bin/sh\nexec {" ".join(self.controller.prefix)} {shutil.which(name)} "$@"\n'
            )
            client.chmod(0o755)


def _inside(name: str) -> tuple[str, ...]:
    # not `ip netns exec`, which mounts /sys anew, without the control groups that slurmd needs
    return ("nsenter", f"--net=/run/netns/{name}")


def _asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)
