"""What a step left, for a test to look at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from asyncflow.machine.ids import ManifestKey
from asyncflow.store.local import LocalStore
from asyncflow.store.manifest import Manifest

__all__ = ["StepResult", "result_of"]


class StepResult:
    """What one task left. Artifacts can be read as attributes: `result.model`.

    Args:
        step: The step's name.
        artifacts: Everything visible after the step, what it inherited included, by name.
        next: Target steps of its `self.next`, in the order written; empty for the end.
        items: What its foreach goes over; None where it is none.
        width: How many branches its foreach or gang opens; None where it is none.
        chosen: The step its switch chose; None where it is none.
        index: Its index in the innermost foreach; None outside of one.
        attempts: How many attempts it took.
    """

    def __init__(
        self,
        *,
        step: str,
        artifacts: dict[str, Any],
        next: tuple[str, ...] = (),
        items: list[Any] | None = None,
        width: int | None = None,
        chosen: str | None = None,
        index: int | None = None,
        attempts: int = 1,
    ) -> None:
        self.step = step
        self.artifacts = artifacts
        self.next = next
        self.items = items
        self.width = width
        self.chosen = chosen
        self.index = index
        self.attempts = attempts

    def __getattr__(self, name: str) -> Any:  # Any: the user's object
        if name.startswith("__") or name not in self.__dict__.get("artifacts", {}):
            raise AttributeError(
                f"step {self.__dict__.get('step')} left no artifact '{name}'; it left {', '.join(self)}"
            )
        return self.artifacts[name]

    def __getitem__(self, name: str) -> Any:  # Any: the user's object
        return self.artifacts[name]

    def __contains__(self, name: object) -> bool:
        return name in self.artifacts

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.artifacts if not name.startswith("_") and name != "name")

    def __repr__(self) -> str:
        return f"<StepResult {self.step} -> {', '.join(self.next) or 'end'}: {', '.join(self)}>"


def result_of(store: LocalStore, key: ManifestKey, attempts: int = 1) -> StepResult:
    """Read what a task left, values and all. Raises StoreError if it left nothing."""
    manifest: Manifest = store.read_manifest(*key)
    items = manifest.items
    frames = manifest.frames
    return StepResult(
        step=manifest.step,
        artifacts={name: store.load(record, name=name) for name, record in manifest.artifacts.items()},
        next=manifest.next,
        items=None if items is None else [store.read_item(items, index) for index in range(items.width)],
        width=manifest.width,
        chosen=manifest.chosen,
        index=frames[-1].index if frames and frames[-1].variable is not None else None,
        attempts=attempts,
    )
