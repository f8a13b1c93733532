"""Where asyncflow is not as Metaflow, and why: by case, then by the places that differ."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["DIFFERENT", "Difference"]


class Difference(NamedTuple):
    """What differs in a case."""

    is_better: bool
    why: str
    places: tuple[str, ...]


_USAGE = "A mistake on the command line ends with exit code 2, as all others do; Metaflow's is 1 here."

DIFFERENT = {
    "foreach_empty": Difference(
        True,
        "A foreach over nothing goes on to its join, with no inputs; Metaflow's run fails.",
        (
            "commands[0].code",
            "commands[0].messages",
            "run.successful",
            "run.finished",
            "run.steps.start[0].successful",
            "run.steps.start[0].finished",
            "run.steps.end",
            "run.steps.join",
        ),
    ),
    "merge_conflict": Difference(
        False,
        "The error is called UnhandledInMergeError, and has no headline within a task's log.",
        ("commands[0].messages",),
    ),
    "merge_include_missing": Difference(
        False,
        "The error is called MissingInMergeError, and has no headline within a task's log.",
        ("commands[0].messages",),
    ),
    "failure_by_exit": Difference(
        True,
        "`Task.finished` of a task that ended its process is False, not None.",
        ("run.steps.start[0].finished",),
    ),
    "failure_by_exit_zero": Difference(
        True,
        "A step that calls sys.exit(0) failed, and is said so; under Metaflow it went well, and the run fails.",
        ("commands[0].messages", "run.steps.middle[0].finished"),
    ),
    "with_unknown": Difference(True, _USAGE, ("commands[0].code",)),
    "empty_tag": Difference(True, _USAGE, ("commands[0].code",)),
    "resume_unknown_step": Difference(True, _USAGE, ("commands[1].code",)),
    "too_many_splits": Difference(
        True, "The run shows a task of the step that could not be made, which says why.", ("run.steps.work",)
    ),
}
"""By case."""
