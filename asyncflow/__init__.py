"""asyncflow: data-science flows on an asyncio, event-sourced runtime. Public names load when they are first used."""

from __future__ import annotations

TYPE_CHECKING = False  # known to type checkers by its name; importing typing would cost 4 ms
if TYPE_CHECKING:
    from asyncflow.client.code import MetaflowCode
    from asyncflow.client.data import DataArtifact
    from asyncflow.client.errors import InvalidPathspec, NamespaceMismatch, NoSuchObject
    from asyncflow.client.flows import Flow, Metaflow
    from asyncflow.client.place import (
        default_metadata,
        default_namespace,
        get_metadata,
        get_namespace,
        inspect_spin,
        metadata,
        namespace,
    )
    from asyncflow.client.runs import Run
    from asyncflow.client.steps import Step
    from asyncflow.client.tasks import Task
    from asyncflow.engine import Engine, RunHandle
    from asyncflow.errors import AsyncflowError, UserError
    from asyncflow.events.tagging import TaggingError
    from asyncflow.flow.config import Config, config_expr
    from asyncflow.flow.config_parsers import (
        conda_environment_yml_parser,
        pyproject_toml_parser,
        requirements_txt_parser,
        yaml_parser,
    )
    from asyncflow.flow.config_value import ConfigValue
    from asyncflow.flow.current import current
    from asyncflow.flow.decorators.builtin import catch, environment, parallel, resources, retry, timeout
    from asyncflow.flow.decorators.cache import cache
    from asyncflow.flow.decorators.card import card
    from asyncflow.flow.decorators.compute import batch, kubernetes
    from asyncflow.flow.decorators.hooks import exit_hook
    from asyncflow.flow.decorators.limits import concurrency, rate_limit
    from asyncflow.flow.decorators.packages import conda, conda_base, pypi, pypi_base
    from asyncflow.flow.decorators.project import project
    from asyncflow.flow.decorators.secrets import secrets
    from asyncflow.flow.decorators.triggers import schedule, trigger, trigger_on_finish
    from asyncflow.flow.decorators.user import USER_SKIP_STEP, UserStepDecorator, user_step_decorator
    from asyncflow.flow.errors import (
        DecoratorError,
        FlowLoadError,
        InvalidNextError,
        LintError,
        MergeError,
        MissingInMergeError,
        ParameterError,
        UnhandledInMergeError,
    )
    from asyncflow.flow.include_file import IncludeFile
    from asyncflow.flow.losses import (
        Evicted,
        ImageError,
        OutOfMemory,
        SpotReclaimed,
        Unschedulable,
        WorkerLost,
    )
    from asyncflow.flow.mutators import FlowMutator, MutableFlow, MutableStep, StepMutator
    from asyncflow.flow.parameters import JSONType, Parameter
    from asyncflow.flow.spec import FlowSpec
    from asyncflow.flow.steps import step
    from asyncflow.runner import ExecutingRun, NBRunner, Runner, RunnerError
    from asyncflow.s3.client import S3
    from asyncflow.version import __version__
    from asyncflow.worker.multicore import MulticoreError, parallel_imap_unordered, parallel_map, profile

__all__ = [
    "S3",
    "USER_SKIP_STEP",
    "AsyncflowError",
    "Config",
    "ConfigValue",
    "DataArtifact",
    "DecoratorError",
    "Engine",
    "Evicted",
    "ExecutingRun",
    "Flow",
    "FlowLoadError",
    "FlowMutator",
    "FlowSpec",
    "ImageError",
    "IncludeFile",
    "InvalidNextError",
    "InvalidPathspec",
    "JSONType",
    "LintError",
    "MergeError",
    "Metaflow",
    "MetaflowCode",
    "MissingInMergeError",
    "MulticoreError",
    "MutableFlow",
    "MutableStep",
    "NBRunner",
    "NamespaceMismatch",
    "NoSuchObject",
    "OutOfMemory",
    "Parameter",
    "ParameterError",
    "Run",
    "RunHandle",
    "Runner",
    "RunnerError",
    "SpotReclaimed",
    "Step",
    "StepMutator",
    "TaggingError",
    "Task",
    "UnhandledInMergeError",
    "Unschedulable",
    "UserError",
    "UserStepDecorator",
    "WorkerLost",
    "__version__",
    "batch",
    "cache",
    "card",
    "catch",
    "concurrency",
    "conda",
    "conda_base",
    "conda_environment_yml_parser",
    "config_expr",
    "current",
    "default_metadata",
    "default_namespace",
    "environment",
    "exit_hook",
    "get_metadata",
    "get_namespace",
    "inspect_spin",
    "kubernetes",
    "metadata",
    "namespace",
    "parallel",
    "parallel_imap_unordered",
    "parallel_map",
    "profile",
    "project",
    "pypi",
    "pypi_base",
    "pyproject_toml_parser",
    "rate_limit",
    "requirements_txt_parser",
    "resources",
    "retry",
    "schedule",
    "secrets",
    "step",
    "timeout",
    "trigger",
    "trigger_on_finish",
    "user_step_decorator",
    "yaml_parser",
]

_HOMES = {
    "S3": "asyncflow.s3.client",
    "USER_SKIP_STEP": "asyncflow.flow.decorators.user",
    "AsyncflowError": "asyncflow.errors",
    "Config": "asyncflow.flow.config",
    "ConfigValue": "asyncflow.flow.config_value",
    "DataArtifact": "asyncflow.client.data",
    "DecoratorError": "asyncflow.flow.errors",
    "Engine": "asyncflow.engine",
    "Evicted": "asyncflow.flow.losses",
    "ExecutingRun": "asyncflow.runner",
    "Flow": "asyncflow.client.flows",
    "FlowLoadError": "asyncflow.flow.errors",
    "FlowMutator": "asyncflow.flow.mutators",
    "FlowSpec": "asyncflow.flow.spec",
    "ImageError": "asyncflow.flow.losses",
    "IncludeFile": "asyncflow.flow.include_file",
    "InvalidNextError": "asyncflow.flow.errors",
    "InvalidPathspec": "asyncflow.client.errors",
    "JSONType": "asyncflow.flow.parameters",
    "LintError": "asyncflow.flow.errors",
    "MergeError": "asyncflow.flow.errors",
    "Metaflow": "asyncflow.client.flows",
    "MetaflowCode": "asyncflow.client.code",
    "MissingInMergeError": "asyncflow.flow.errors",
    "MulticoreError": "asyncflow.worker.multicore",
    "MutableFlow": "asyncflow.flow.mutators",
    "MutableStep": "asyncflow.flow.mutators",
    "NBRunner": "asyncflow.runner",
    "NamespaceMismatch": "asyncflow.client.errors",
    "NoSuchObject": "asyncflow.client.errors",
    "OutOfMemory": "asyncflow.flow.losses",
    "Parameter": "asyncflow.flow.parameters",
    "ParameterError": "asyncflow.flow.errors",
    "Run": "asyncflow.client.runs",
    "RunHandle": "asyncflow.engine",
    "Runner": "asyncflow.runner",
    "RunnerError": "asyncflow.runner",
    "SpotReclaimed": "asyncflow.flow.losses",
    "Step": "asyncflow.client.steps",
    "StepMutator": "asyncflow.flow.mutators",
    "TaggingError": "asyncflow.events.tagging",
    "Task": "asyncflow.client.tasks",
    "UnhandledInMergeError": "asyncflow.flow.errors",
    "Unschedulable": "asyncflow.flow.losses",
    "UserError": "asyncflow.errors",
    "UserStepDecorator": "asyncflow.flow.decorators.user",
    "WorkerLost": "asyncflow.flow.losses",
    "__version__": "asyncflow.version",
    "batch": "asyncflow.flow.decorators.compute",
    "cache": "asyncflow.flow.decorators.cache",
    "card": "asyncflow.flow.decorators.card",
    "catch": "asyncflow.flow.decorators.builtin",
    "concurrency": "asyncflow.flow.decorators.limits",
    "conda": "asyncflow.flow.decorators.packages",
    "conda_base": "asyncflow.flow.decorators.packages",
    "conda_environment_yml_parser": "asyncflow.flow.config_parsers",
    "config_expr": "asyncflow.flow.config",
    "current": "asyncflow.flow.current",
    "default_metadata": "asyncflow.client.place",
    "default_namespace": "asyncflow.client.place",
    "environment": "asyncflow.flow.decorators.builtin",
    "exit_hook": "asyncflow.flow.decorators.hooks",
    "get_metadata": "asyncflow.client.place",
    "get_namespace": "asyncflow.client.place",
    "inspect_spin": "asyncflow.client.place",
    "kubernetes": "asyncflow.flow.decorators.compute",
    "metadata": "asyncflow.client.place",
    "namespace": "asyncflow.client.place",
    "parallel": "asyncflow.flow.decorators.builtin",
    "parallel_imap_unordered": "asyncflow.worker.multicore",
    "parallel_map": "asyncflow.worker.multicore",
    "profile": "asyncflow.worker.multicore",
    "project": "asyncflow.flow.decorators.project",
    "pypi": "asyncflow.flow.decorators.packages",
    "pypi_base": "asyncflow.flow.decorators.packages",
    "pyproject_toml_parser": "asyncflow.flow.config_parsers",
    "rate_limit": "asyncflow.flow.decorators.limits",
    "requirements_txt_parser": "asyncflow.flow.config_parsers",
    "resources": "asyncflow.flow.decorators.builtin",
    "retry": "asyncflow.flow.decorators.builtin",
    "schedule": "asyncflow.flow.decorators.triggers",
    "secrets": "asyncflow.flow.decorators.secrets",
    "step": "asyncflow.flow.steps",
    "timeout": "asyncflow.flow.decorators.builtin",
    "trigger": "asyncflow.flow.decorators.triggers",
    "trigger_on_finish": "asyncflow.flow.decorators.triggers",
    "user_step_decorator": "asyncflow.flow.decorators.user",
    "yaml_parser": "asyncflow.flow.config_parsers",
}
"""Where each public name lives. `import asyncflow` itself loads none of them."""


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'asyncflow' has no attribute '{name}'")
    from importlib import import_module  # 1 ms that `import asyncflow` alone need not take

    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
