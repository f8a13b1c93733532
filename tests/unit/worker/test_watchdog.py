"""Where the user's code is, in a stack that libraries are in, too."""

from __future__ import annotations

import json
import sys
from types import FrameType

from asyncflow.worker.watchdog import WatchedSelector, users_place


def _frame_here() -> FrameType:
    return sys._getframe()


def test_the_innermost_line_of_the_user_is_named() -> None:
    place = users_place(_frame_here())
    assert place.startswith(f"{__file__}:")
    assert "in _frame_here: return sys._getframe()" in place


def test_frames_of_libraries_are_passed_over() -> None:
    seen: list[str] = []

    def hook(found: dict[str, int]) -> dict[str, int]:
        frame = sys._getframe().f_back  # json's own
        assert frame is not None
        seen.append(users_place(frame))
        return found

    json.loads('{"a": 1}', object_hook=hook)
    assert "in test_frames_of_libraries_are_passed_over: json.loads(" in seen[0]


def test_a_selector_says_since_when_the_loop_is_busy() -> None:
    selector = WatchedSelector()
    assert selector.busy_since is None
    selector.select(0)
    first = selector.busy_since
    assert first is not None
    selector.select(0)
    assert selector.busy_since is not None
    assert selector.busy_since > first
    selector.close()
