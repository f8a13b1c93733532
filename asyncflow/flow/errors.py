"""Errors a flow's author can cause and fix, from a wrong decorator to a merge that is not decided."""

from __future__ import annotations

from collections.abc import Sequence

from asyncflow.errors import ExitCode, UserError

__all__ = [
    "DecoratorAttributeError",
    "DecoratorError",
    "DuplicateDecoratorError",
    "FlowLoadError",
    "InvalidNextError",
    "LintError",
    "MergeError",
    "MisplacedDecoratorError",
    "MissingInMergeError",
    "ParameterError",
    "ParameterFieldError",
    "ParameterTypeError",
    "UnhandledInMergeError",
    "UnknownDecoratorError",
]


class FlowLoadError(UserError):
    """The flow's file is missing, cannot be imported, or does not hold exactly one flow."""

    headline = "The flow cannot be loaded"


class LintError(UserError):
    """The flow's graph breaks a rule; `rule` is its id, such as `L13`."""

    headline = "Validity checker found an issue"
    exit_code = ExitCode.FAILURE

    def __init__(
        self, message: str, *, rule: str = "", where: str = "", source: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, where=where, source=source, hint=hint)
        self.rule = rule


class InvalidNextError(UserError):
    """`self.next` was called in a way that no graph allows. Another try cannot help."""

    headline = "Invalid self.next() transition detected"
    exit_code = ExitCode.FAILURE
    is_retryable = False


class DecoratorError(UserError):
    """A step decorator is used wrongly."""

    headline = "Invalid decorator"


class UnknownDecoratorError(DecoratorError):
    """No step decorator has this name."""

    headline = "Unknown step decorator"


class DecoratorAttributeError(DecoratorError):
    """A step decorator has no such attribute, or the value does not fit."""

    headline = "Invalid decorator attribute"


class DuplicateDecoratorError(DecoratorError):
    """A step has the same decorator twice."""

    headline = "Duplicate decorators"


class MisplacedDecoratorError(DecoratorError):
    """A decorator stands where it cannot: below `@step`, or on something that is no step."""

    headline = "Misplaced decorator"


class ParameterError(UserError):
    """A Parameter is declared wrongly, or was given a value that does not fit."""

    headline = "Invalid parameter"


class ParameterFieldError(ParameterError):
    """A function given as a parameter's default, or an IncludeFile's parser, raised an exception."""

    headline = "Parameter field failed"


class ParameterTypeError(ParameterError):
    """A function given as a parameter's default returned another type than the parameter's."""

    headline = "Parameter field with a mismatching type"


class MergeError(UserError):
    """`merge_artifacts` was called wrongly, or outside a join."""

    headline = "merge_artifacts failed"
    exit_code = ExitCode.FAILURE
    is_retryable = False

    def __init__(
        self,
        message: str,
        *,
        artifact_names: Sequence[str] = (),
        where: str = "",
        source: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, where=where, source=source, hint=hint)
        self.artifact_names = list(artifact_names)


class UnhandledInMergeError(MergeError):
    """Branches disagree about artifacts that the join has not set; nothing was merged."""

    headline = "Unhandled artifacts in merge"


class MissingInMergeError(MergeError):
    """Artifacts named in `include` are in no branch; nothing was merged."""

    headline = "Missing artifacts in merge"
