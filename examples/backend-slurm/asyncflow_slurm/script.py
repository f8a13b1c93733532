"""What a job runs: a script around the command that ends it in time, keeps a second job out, and leaves a word.

The script ends the command itself when the scheduler signals it to, as only it knows all that belongs to it: a cluster
without control groups kills a script and leaves its children. Slurm's own SIGTERM (scancel by a person, preemption, its
time limit) reaches script and command alike, so there it only waits.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from asyncflow.backends.remote.platform import EndReason, Job, array_environment, environment_of
from asyncflow_slurm.decorator import flags_of
from asyncflow_slurm.identity import LONGEST_LIST, Identity, listed
from asyncflow_slurm.place import file_name
from asyncflow_slurm.states import TIME_IS_UP

__all__ = ["ARRAY_INDEX", "ASK", "FORCE", "ONE_TOO_MANY", "arrays", "flags", "identity_of", "script"]

ARRAY_INDEX = "SLURM_ARRAY_TASK_ID"
ASK, FORCE = "USR1", "USR2"
"""Signals to the script: end the command, with and without its grace."""
ONE_TOO_MANY = 75
"""The script exits with this when another job runs the attempt."""
GRACE_VARIABLE = "ASYNCFLOW_GRACE_S"
"""Tells a worker how long its step may go on after SIGTERM."""
_TAIL_S = 5.0
"""What a worker needs of the grace for itself."""
_LAST_WORDS_BYTES = 64 << 10
"""What is kept of a job's own output; all of it goes to the store as the worker runs."""
_ROOM_S = 60.0
"""Slurm's own limit is this much, and the grace, above that of the step."""

_SCRIPT = """\
#!/bin/bash
# A task of an asyncflow run; see `squeue -o "%i %k"`.
set -m
child=; watch=; killer=; keeper=; why=; due=
place={place}
attempts=({attempts})
attempt=${{attempts[${{{index}:-0}}]}}
{exports}
pass() {{ [ -n "$child" ] && kill -s "$1" -- "-$child" 2>/dev/null; }}
ask() {{
  [ -z "$due" ] || return
  why=${{why:-$1}}; due=TERM; pass TERM
  sleep {grace} && kill -s {force} $$ &
  killer=$!
}}
trap 'ask "{stopped}"' {ask}
trap 'why=${{why:-{stopped}}}; due=KILL; pass KILL' {force}
trap 'ask "{timed_out}"' ALRM
trap : TERM
if [ -n "$place" ]; then
  mkdir -p "$place" && cd "$place" || exit 1
  umask 077
  mkdir "$attempt.run" 2>/dev/null || exit {one_too_many}
  echo "${{SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}}${{{index}:+_${index}}}" > "$attempt.run/id.new"
  mv "$attempt.run/id.new" "$attempt.run/id"
  cd - >/dev/null
  exec > >(trap '' TERM {ask} {force}; exec tail -c {last_words} > "$place/$attempt.log") 2>&1
  keeper=$!
fi
{command} < /dev/null &
child=$!
[ -n "$due" ] && pass "$due"
{watch}
while :; do
  wait "$child"; code=$?
  kill -0 "$child" 2>/dev/null || break
done
wait "$child" 2>/dev/null; last=$?
[ "$last" = 127 ] || code=$last
pass KILL
for other in $watch $killer; do kill -s KILL -- "-$other" 2>/dev/null; done
told=$code; [ "$code" -gt 128 ] && [ "$code" -le 192 ] && told=$((128 - code))
[ "$why" = "{timed_out}" ] && code={time_is_up}
exec > /dev/null 2>&1
[ -n "$keeper" ] && wait "$keeper"
[ -n "$place" ] && echo "$told $why" > "$place/$attempt.end.new" && mv "$place/$attempt.end.new" "$place/$attempt.end"
exit "$code"
"""


def arrays(jobs: Sequence[Job], longest: int) -> Iterator[Sequence[Job]]:
    """Cut jobs into pieces that can be one request each: no gap in the indexes, equal sizes, no long comment."""
    start = 0
    for position in range(1, len(jobs) + 1):
        if position < len(jobs) and _belong_together(jobs[start:position], jobs[position], longest):
            continue
        yield jobs[start:position]
        start = position


def _belong_together(piece: Sequence[Job], job: Job, longest: int) -> bool:
    last = piece[-1]
    alike = (last.index + 1, last.size, last.timeout_s, last.step) == (
        job.index,
        job.size,
        job.timeout_s,
        job.step,
    )
    if not alike or len(piece) >= longest:
        return False
    follows = (last.attempt.task + 1, last.attempt.number) == job.attempt
    return follows or len(listed([each.attempt for each in (*piece, job)])) <= LONGEST_LIST


def identity_of(jobs: Sequence[Job]) -> Identity:
    """Return whose jobs a request asks for."""
    return Identity(jobs[0].owner, jobs[0].run, jobs[0].step, [job.attempt for job in jobs])


def flags(jobs: Sequence[Job], grace_s: float) -> list[str]:
    """Return the flags of sbatch for one request."""
    job = jobs[0]
    given = [
        "--parsable",
        "--no-requeue",
        f"--job-name={job.name}",
        f"--comment={identity_of(jobs).comment()}",
        "--output=/dev/null",
        "--nodes=1",
        "--ntasks=1",
    ]
    if len(jobs) > 1:
        given.append(f"--array=0-{len(jobs) - 1}")
    return [*given, *_size_flags(job), *_option_flags(job, grace_s)]


def _size_flags(job: Job) -> Iterator[str]:
    size = job.size
    yield f"--cpus-per-task={math.ceil(size.cpu or 1)}"
    if size.memory_mb:
        yield f"--mem={math.ceil(size.memory_mb)}M"
    if size.disk_mb:
        yield f"--tmp={math.ceil(size.disk_mb)}M"
    if size.gpu:
        kind = job.options.get("gpu_type")
        yield f"--gres=gpu:{kind}:{math.ceil(size.gpu)}" if kind else f"--gres=gpu:{math.ceil(size.gpu)}"


def _option_flags(job: Job, grace_s: float) -> Iterator[str]:
    for name in ("partition", "account", "qos", "reservation", "constraint", "nodelist", "exclude", "export"):
        if value := job.options.get(name):
            yield f"--{name}={value}"
    if job.options.get("time") is not None:
        yield f"--time={job.options['time']}"
    elif job.timeout_s is not None:
        yield f"--time={math.ceil((job.timeout_s + grace_s + _ROOM_S) / 60)}"
    yield from flags_of(job.options.get("extra"))


def script(jobs: Sequence[Job], place: Path | None, grace_s: float) -> str:
    """Return the script of one request.

    Args:
        jobs: All of the request, in order.
        place: Where jobs leave what they have to say. None: nowhere.
        grace_s: From asking the command to end to killing it.
    """
    job = jobs[0]
    environment = environment_of(job) if len(jobs) == 1 else array_environment(jobs, ARRAY_INDEX)
    environment = {GRACE_VARIABLE: f"{max(1.0, grace_s - _TAIL_S):g}", **environment}
    watch = ""
    if job.timeout_s is not None:
        watch = f"sleep {job.timeout_s:g} && kill -s ALRM $$ & watch=$!"
    return _SCRIPT.format(
        place=shlex.quote(str(place)) if place else "",
        attempts=" ".join(file_name(each.attempt) for each in jobs),
        index=ARRAY_INDEX,
        exports="\n".join(_exports(environment)),
        grace=f"{grace_s:g}",
        ask=ASK,
        force=FORCE,
        last_words=_LAST_WORDS_BYTES,
        stopped=EndReason.STOPPED.value,
        timed_out=EndReason.TIMED_OUT.value,
        one_too_many=ONE_TOO_MANY,
        time_is_up=TIME_IS_UP,
        command=shlex.join(job.command),
        watch=watch,
    )


def _exports(environment: Mapping[str, str]) -> Iterator[str]:
    for name, value in environment.items():
        yield f"export {name}={shlex.quote(value)}"
