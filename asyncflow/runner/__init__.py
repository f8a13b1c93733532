"""Flows run from a program, in a process of their own: for those who want that nothing of a run is in theirs.

runner      Runner, for a flow's file
notebook    NBRunner, for a flow defined in a notebook's cell
executing   ExecutingRun, a run that was started; ExecutingTask, a task of spin
launched    the process of a command, and what it prints
arguments   from keyword arguments to a command line
"""

from __future__ import annotations

from asyncflow.runner.executing import ExecutingRun, ExecutingTask
from asyncflow.runner.launched import RunnerError
from asyncflow.runner.notebook import NBRunner
from asyncflow.runner.runner import Runner

__all__ = ["ExecutingRun", "ExecutingTask", "NBRunner", "Runner", "RunnerError"]
