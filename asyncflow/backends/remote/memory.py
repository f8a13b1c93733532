"""How often the kernel has killed a process of this container because its memory was used up."""

from __future__ import annotations

__all__ = ["oom_kills"]

_V2 = "/sys/fs/cgroup/memory.events"
_V1 = "/sys/fs/cgroup/memory/memory.oom_control"


def oom_kills() -> int:
    """Return that number; 0 where nobody tells.

    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html (memory.events), cgroup-v1/memory.html (oom_control)
    """
    for path in (_V2, _V1):
        try:
            with open(path, encoding="ascii") as file:
                for line in file:
                    name, _, value = line.partition(" ")
                    if name == "oom_kill":
                        return int(value)
        except (OSError, ValueError):
            continue
    return 0
