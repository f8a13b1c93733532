"""Deeper modules of Metaflow's that public flows import from, and where in asyncflow their names live."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["DEEPER"]

_BUILTIN = "asyncflow.flow.decorators.builtin"
_CONFIGS = {
    "Config": "asyncflow",
    "ConfigValue": "asyncflow",
    "config_expr": "asyncflow",
}
_SECRETS = {"get_secret": "asyncflow.worker.secrets:get_secret"}
_S3: dict[str, str] = dict.fromkeys(("S3", "S3GetObject", "S3PutObject", "S3Object"), "asyncflow")

DEEPER: Mapping[str, Mapping[str, str]] = {
    "metaflow.datatools": _S3,
    "metaflow.datatools.s3": _S3,
    "metaflow.graph": {},
    "metaflow.integrations": {},
    "metaflow.metaflow_config_funcs": {},
    "metaflow.metaflow_profile": {"profile": "asyncflow"},
    "metaflow.metaflow_version": {"get_version": "asyncflow.compat.settings:get_version"},
    "metaflow.multicore_utils": {
        "MulticoreException": "asyncflow.worker.multicore:MulticoreError",
        "parallel_imap_unordered": "asyncflow",
        "parallel_map": "asyncflow",
    },
    "metaflow.plugins.aws": {},
    "metaflow.plugins.aws.batch": {},
    "metaflow.plugins.aws.batch.batch_decorator": {
        "BatchDecorator": "asyncflow.flow.decorators.compute:Batch"
    },
    "metaflow.plugins.catch_decorator": {"CatchDecorator": f"{_BUILTIN}:Catch"},
    "metaflow.plugins.datatools": _S3,
    "metaflow.plugins.datatools.s3": _S3,
    "metaflow.plugins.datatools.s3.s3": _S3,
    "metaflow.plugins.environment_decorator": {"EnvironmentDecorator": f"{_BUILTIN}:Environment"},
    "metaflow.plugins.events_decorator": {
        "TriggerDecorator": "asyncflow.flow.decorators.triggers:Trigger",
        "TriggerOnFinishDecorator": "asyncflow.flow.decorators.triggers:TriggerOnFinish",
    },
    "metaflow.plugins.kubernetes": {},
    "metaflow.plugins.kubernetes.kubernetes_decorator": {
        "KubernetesDecorator": "asyncflow.flow.decorators.compute:Kubernetes"
    },
    "metaflow.plugins.parallel_decorator": {"ParallelDecorator": f"{_BUILTIN}:Parallel"},
    "metaflow.plugins.project_decorator": {"ProjectDecorator": "asyncflow.flow.decorators.project:Project"},
    "metaflow.plugins.pypi": {},
    "metaflow.plugins.resources_decorator": {"ResourcesDecorator": f"{_BUILTIN}:Resources"},
    "metaflow.plugins.retry_decorator": {"RetryDecorator": f"{_BUILTIN}:Retry"},
    "metaflow.plugins.secrets.secrets_decorator": {
        "SecretsDecorator": "asyncflow.flow.decorators.secrets:Secrets",
        **_SECRETS,
    },
    "metaflow.plugins.secrets.secrets_func": _SECRETS,
    "metaflow.plugins.timeout_decorator": {
        "TimeoutDecorator": f"{_BUILTIN}:Timeout",
        "TimeoutException": "asyncflow.worker.timeout:TimeoutException",
    },
    "metaflow.runner.metaflow_runner": {
        "ExecutingRun": "asyncflow.runner",
        "ExecutingTask": "asyncflow.runner",
        "Runner": "asyncflow",
    },
    "metaflow.runner.nbrun": {"NBRunner": "asyncflow"},
    "metaflow.user_configs.config_parameters": _CONFIGS,
    "metaflow.user_decorators": {},
    "metaflow.user_decorators.mutable_flow": {"MutableFlow": "asyncflow.flow.mutators:MutableFlow"},
    "metaflow.user_decorators.mutable_step": {"MutableStep": "asyncflow.flow.mutators:MutableStep"},
    "metaflow.user_decorators.user_flow_decorator": {"FlowMutator": "asyncflow"},
    "metaflow.user_decorators.user_step_decorator": {
        "StepMutator": "asyncflow",
        "USER_SKIP_STEP": "asyncflow",
        "UserStepDecorator": "asyncflow",
        "user_step_decorator": "asyncflow",
    },
}
"""As `asyncflow.compat.names.MODULES`, which has the others."""
