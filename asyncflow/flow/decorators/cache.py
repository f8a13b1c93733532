"""`@cache`: a task whose code and inputs are those of an earlier one is not run; its results are taken over."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, overload

from asyncflow.flow.decorators.base import Method, StepDecorator, decorate
from asyncflow.flow.decorators.builtin import Parallel
from asyncflow.records import record

if TYPE_CHECKING:
    from asyncflow.flow.graph import StepInfo

__all__ = ["Cache", "cache"]

_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])\Z")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


@record(slots=False)
class Cache(StepDecorator):
    """Take over the results of an earlier task with the same code and inputs."""

    name: ClassVar[str] = "cache"
    ignore: Any = ()  # Any: one name, or several; kept as a tuple
    """What may change and yet the result is taken over: names of artifacts, `input`, `current.run_id`."""
    version: str = ""
    """Part of the code: another version runs anew."""
    ttl: Any = None  # Any: seconds, or a text such as 7d; kept as seconds
    """How old a result may be that is taken over, seconds. None: of any age."""
    files: Any = ()  # Any: as ignore
    """Files and directories the step reads, relative to the working directory: their content counts."""
    env: Any = ()  # Any: as ignore
    """Environment variables the step reads: their values count."""

    def __post_init__(self) -> None:
        for attribute in ("ignore", "files", "env"):
            object.__setattr__(self, attribute, self._several(attribute))
        if not isinstance(self.version, str | int | float) or isinstance(self.version, bool):
            self.refuse("version", "a text")
        object.__setattr__(self, "version", str(self.version))
        if self.ttl is not None:
            object.__setattr__(self, "ttl", self._seconds())

    def complaint(self, info: StepInfo) -> str:
        """Refuse gangs, whose members work together."""
        if info.decorator(Parallel) is not None:
            return "is a gang: its members work together, so none can be taken over alone"
        return ""

    def _several(self, attribute: str) -> tuple[str, ...]:
        value = getattr(self, attribute)
        several = (value,) if isinstance(value, str) else value
        if not isinstance(several, tuple | list) or not all(isinstance(one, str) and one for one in several):
            self.refuse(attribute, "a name, or a list of names")
        return tuple(several)

    def _seconds(self) -> float:
        if isinstance(self.ttl, int | float) and not isinstance(self.ttl, bool) and self.ttl >= 0:
            return float(self.ttl)
        found = _TIME.match(str(self.ttl).strip())
        if found is None:
            self.refuse("ttl", "a time in seconds, or one like 30m, 12h, 7d")
        return float(found[1]) * _SECONDS[found[2]]


@overload
def cache(method: Method, /) -> Method: ...


@overload
def cache(
    *,
    ignore: str | Sequence[str] = (),
    version: str = "",
    ttl: float | str | None = None,
    files: str | Sequence[str] = (),
    env: str | Sequence[str] = (),
) -> Callable[[Method], Method]: ...


def cache(method: Any = None, /, **attributes: Any) -> Any:  # Any: the overloads above say it
    """Run a task only if its code, or what it read the last time, has changed; else take over its artifacts.

    What a task reads is recorded, so nothing need be declared: artifacts, parameters, the foreach item, `current`. The
    code is the step's function and the functions, classes and constants of your own modules that it reaches, and the
    versions of packages. What cannot be seen (time, chance, files, the network) does not count, unless named here.

    Args:
        method: The step, when used without parentheses.
        ignore: Names that may change without a new run: artifacts, `input`, `current.run_id`.
        version: Part of the code; change it to run anew.
        ttl: How old a result may be, in seconds or as `30m`, `12h`, `7d`.
        files: Files whose content counts, and directories with all files below them.
        env: Environment variables whose values count.
    """
    return decorate(Cache, method, attributes)
