"""Runs steps as jobs of a Slurm cluster: `@slurm` on a step, or `--with slurm:partition=...`.

decorator   what a step may ask for
provider    how asyncflow finds and opens the cluster
platform    asks for jobs, tells what happens to them, ends them
commands    runs sbatch, squeue, scancel, sacct and scontrol, and tells refusals from troubles that pass
identity    how a job says whose it is
script      what a job runs
states      what Slurm's words for a job's state mean
place       what jobs leave on the shared file system
"""

from __future__ import annotations

from asyncflow_slurm.decorator import Slurm, slurm

__all__ = ["Slurm", "slurm"]
