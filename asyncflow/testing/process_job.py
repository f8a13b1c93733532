"""The process beside each job of `process_platform`: starts it, waits for it, and writes down how it ended.

Run as a file with a bare interpreter (`python -I -S`), so it imports nothing of ours. It outlives the scheduler that
started it, as a cluster would. In its directory:

job.json    what to run: command, environment, timeout_s, grace_s
claim       who runs it: made by link, so the second process that tries finds it taken and leaves
group       the job's process group, once it runs
stop        `ask` or `force`, left by a scheduler that wants it ended; a signal tells to look
end.json    how it ended
output      what it printed
"""

from __future__ import annotations

import json
import os
import signal
import sys

__all__ = ["STOP_SIGNAL", "birth_of", "main", "write"]

STOP_SIGNAL = signal.SIGTERM
"""Says: look at the file `stop`."""
_WAITED = (signal.SIGCHLD, signal.SIGALRM, STOP_SIGNAL)
_NEVER_STARTED = 127
_HELD: list[int] = []
"""What the first process waits for is open in the second."""


def birth_of(pid: int) -> str:
    """Return what tells a process from a later one of the same number; empty where the system does not say."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def write(path: str, text: str) -> None:
    """Let a file appear with all of its text."""
    beside = f"{path}.{os.getpid()}"
    with open(beside, "w", encoding="utf-8") as file:
        file.write(text)
    os.rename(beside, path)


def main(directory: str) -> None:
    """Run the job of a directory, unless another process does."""
    os.chdir(directory)
    signal.pthread_sigmask(signal.SIG_BLOCK, _WAITED)
    if not _is_left_alone() or not _claim():
        return
    with open("job.json", encoding="utf-8") as file:
        job = json.load(file)
    told, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(told)
        _become(job, tells)
    os.close(tells)
    trouble = os.read(told, 1000).decode(errors="replace")
    write("group", str(pid))
    reason, code = _Watch(pid, job["timeout_s"], job["grace_s"]).until_ended()
    if trouble:
        reason = "image"
    write("end.json", json.dumps({"reason": reason, "exit_code": code, "message": trouble}))


def _is_left_alone() -> bool:
    """Go on in a process that is nobody's child. For the first one this is False, when the job is claimed."""
    told, tells = os.pipe()
    if os.fork():
        os.close(tells)
        os.read(told, 1)
        return False
    os.close(told)
    _HELD.append(tells)
    return True


def _claim() -> bool:
    beside = f"claim.{os.getpid()}"
    with open(beside, "w", encoding="utf-8") as file:
        file.write(f"{os.getpid()} {birth_of(os.getpid())}")
    try:
        os.link(beside, "claim")
    except FileExistsError:
        return False
    finally:
        os.unlink(beside)
        os.close(_HELD.pop())
    return True


def _become(job: dict[str, object], tells: int) -> None:
    """Turn this process into the job. What hinders that goes to the descriptor, which a success closes."""
    command, environment = job["command"], job["environment"]
    assert isinstance(command, list)
    assert isinstance(environment, dict)
    os.setpgid(0, 0)
    output = os.open("output", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _WAITED)
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        os.write(tells, f"{command[0]}: {error.strerror}".encode())
    os._exit(_NEVER_STARTED)


class _Watch:
    """Waits for the job, and ends it when it is told to or its time is up."""

    def __init__(self, pid: int, timeout_s: float | None, grace_s: float) -> None:
        self._pid = pid
        self._grace_s = grace_s
        self._reason = ""
        if timeout_s is not None:
            signal.setitimer(signal.ITIMER_REAL, max(timeout_s, 0.001))

    def until_ended(self) -> tuple[str, int]:
        """Return the reason, empty if the job ended by itself, and its exit code."""
        self._look_at_stop()
        while True:
            ended, status = os.waitpid(self._pid, os.WNOHANG)
            if ended:
                _signal_group(self._pid, signal.SIGKILL)
                return self._reason, os.waitstatus_to_exitcode(status)
            told = signal.sigwait(_WAITED)
            if told == STOP_SIGNAL:
                self._look_at_stop()
            elif told == signal.SIGALRM:
                self._end("timed out", is_forced=bool(self._reason))

    def _look_at_stop(self) -> None:
        try:
            with open("stop", encoding="utf-8") as file:
                self._end("stopped", is_forced=file.read() == "force")
        except FileNotFoundError:
            pass

    def _end(self, reason: str, *, is_forced: bool) -> None:
        self._reason = self._reason or reason
        _signal_group(self._pid, signal.SIGKILL if is_forced else signal.SIGTERM)
        signal.setitimer(signal.ITIMER_REAL, self._grace_s)


def _signal_group(group: int, which: signal.Signals) -> None:
    try:
        os.killpg(group, which)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        pass


if __name__ == "__main__":
    main(sys.argv[1])
