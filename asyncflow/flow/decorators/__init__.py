"""Step decorators: the ones that come with asyncflow, and how they come onto a step."""

from __future__ import annotations

from asyncflow.flow.decorators.attached import DECORATORS, attach, decorators_of, parse_spec
from asyncflow.flow.decorators.base import StepDecorator
from asyncflow.flow.decorators.builtin import (
    Catch,
    Environment,
    Parallel,
    Resources,
    Retry,
    Timeout,
    catch,
    environment,
    parallel,
    resources,
    retry,
    timeout,
)

__all__ = [
    "DECORATORS",
    "Catch",
    "Environment",
    "Parallel",
    "Resources",
    "Retry",
    "StepDecorator",
    "Timeout",
    "attach",
    "catch",
    "decorators_of",
    "environment",
    "parallel",
    "parse_spec",
    "resources",
    "retry",
    "timeout",
]
