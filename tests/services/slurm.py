"""Slurm clusters for tests: one on this machine's loopback, one whose hosts are network namespaces and can be cut off.

`make services` starts both. What a backend needs is in `environment`: plain `sbatch` and the like find their cluster.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.services import needed

OVER = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED")


@dataclass(frozen=True, slots=True, kw_only=True)
class Slurm:
    """A running cluster of two nodes with two cores each."""

    settings: dict[str, str]
    """What processes that speak with it need in their environment: SLURM_CONF, and PATH if its commands are wrapped."""
    nodes: tuple[str, str]
    spaces: str | None = None
    """Path of the nodes' network namespaces, but for the node's number. None: they have none."""

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment and the settings."""
        return {**os.environ, **self.settings}

    def run(self, *command: str) -> str:
        """Run one of Slurm's commands; return what it says. Raises CalledProcessError."""
        done = subprocess.run(
            command,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()

    def state(self, job: str) -> dict[str, str]:
        """Return what `scontrol show job` says of a job, of an array the last of its tasks."""
        lines = self.run("scontrol", "show", "job", "-o", job).splitlines()
        return dict(word.split("=", 1) for word in lines[-1].split(" ") if "=" in word)

    def wait(self, job: str, states: tuple[str, ...] = OVER, within_s: float = 60) -> dict[str, str]:
        """Return a job's state once it is one of some."""
        found = self.wait_until(lambda: self._in(job, states), f"job {job} in {states}", within_s)
        return dict(found)

    def wait_until(self, found: Callable[[], Any], what: str, within_s: float = 60) -> Any:
        """Return what a function finds, as soon as it finds something."""
        until = time.monotonic() + within_s
        while time.monotonic() < until:
            result = found()
            if result:
                return result
            time.sleep(0.1)
        raise AssertionError(f"not in {within_s} s: {what}")

    @contextmanager
    def cut_off(self, node: str) -> Iterator[None]:
        """Take a node from the network; give it back, and wait until the cluster has it again."""
        self._link(node, "down")
        try:
            yield
        finally:
            self._link(node, "up")
            self.wait_until(
                lambda: self.run("sinfo", "-h", "-n", node, "-o", "%T") == "idle", f"{node} is back"
            )

    def _link(self, node: str, state: str) -> None:
        if self.spaces is None:
            raise ValueError("the nodes of this cluster share the machine's network")
        space = f"{self.spaces}{self.nodes.index(node) + 1}"
        command = ["nsenter", f"--net={space}", "ip", "link", "set", "eth0", state]
        subprocess.run(command, check=True, timeout=10, capture_output=True)

    def _in(self, job: str, states: tuple[str, ...]) -> dict[str, str] | None:
        told = self.state(job)
        return told if told["JobState"] in states else None


def on_loopback() -> Slurm:
    """Return the cluster whose nodes share this machine; skip the test, or fail it, if it is not up."""
    told = needed.require("slurm")
    return Slurm(settings={"SLURM_CONF": told["SLURM_CONF"]}, nodes=("n1", "n2"))


def in_namespaces() -> Slurm:
    """Return the cluster whose nodes have a network of their own; skip the test, or fail it, if it is not up."""
    told = needed.require("slurm-netns")
    path = f"{told['SLURM_BIN']}{os.pathsep}{os.environ['PATH']}"
    settings = {"SLURM_CONF": told["SLURM_CONF"], "PATH": path}
    return Slurm(settings=settings, nodes=("h1", "h2"), spaces=told["SLURM_SPACES"])
