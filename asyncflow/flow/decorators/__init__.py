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
from asyncflow.flow.decorators.limits import Concurrency, RateLimit, concurrency, rate_limit

__all__ = [
    "DECORATORS",
    "Catch",
    "Concurrency",
    "Environment",
    "Parallel",
    "RateLimit",
    "Resources",
    "Retry",
    "StepDecorator",
    "Timeout",
    "attach",
    "catch",
    "concurrency",
    "decorators_of",
    "environment",
    "parallel",
    "parse_spec",
    "rate_limit",
    "resources",
    "retry",
    "timeout",
]
