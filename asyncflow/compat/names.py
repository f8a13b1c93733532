"""Metaflow's public names, module by module, and where in asyncflow each lives."""

from __future__ import annotations

from collections.abc import Mapping

from asyncflow.compat.modules import DEEPER

__all__ = ["MODULES", "home_of"]

_CLIENT = {
    "DataArtifact": "asyncflow",
    "MetaflowData": "asyncflow.client.data:RunData",
    "Flow": "asyncflow",
    "MetaflowCode": "asyncflow",
    "Metaflow": "asyncflow",
    "Run": "asyncflow",
    "Step": "asyncflow",
    "Task": "asyncflow",
    "default_metadata": "asyncflow",
    "default_namespace": "asyncflow",
    "get_metadata": "asyncflow",
    "get_namespace": "asyncflow",
    "inspect_spin": "asyncflow",
    "metadata": "asyncflow",
    "namespace": "asyncflow",
}

_EXCEPTIONS = {
    "MetaflowException": "asyncflow.errors:UserError",
    "CommandException": "asyncflow.errors:UserError",
    "BadStepDecoratorException": "asyncflow.flow.errors:MisplacedDecoratorError",
    "DuplicateStepDecoratorException": "asyncflow.flow.errors:DuplicateDecoratorError",
    "ExternalCommandFailed": "asyncflow.errors:UserError",
    "InvalidDecoratorAttribute": "asyncflow.flow.errors:DecoratorAttributeError",
    "InvalidNextException": "asyncflow.flow.errors:InvalidNextError",
    "MetaflowDataMissing": "asyncflow.errors:StoreError",
    "MetaflowExceptionWrapper": "asyncflow.flow.failure:CaughtFailure",
    "MetaflowInternalError": "asyncflow.errors:InternalError",
    "MetaflowInvalidPathspec": "asyncflow.client.errors:InvalidPathspec",
    "MetaflowNamespaceMismatch": "asyncflow.client.errors:NamespaceMismatch",
    "MetaflowNotFound": "asyncflow.client.errors:NoSuchObject",
    "MetaflowTaggingError": "asyncflow.events.tagging:TaggingError",
    "MetaflowUnknownUser": "asyncflow.errors:UserError",
    "MissingInMergeArtifactsException": "asyncflow.flow.errors:MissingInMergeError",
    "MulticoreException": "asyncflow.worker.multicore:MulticoreError",
    "ParameterFieldFailed": "asyncflow.flow.errors:ParameterFieldError",
    "ParameterFieldTypeMismatch": "asyncflow.flow.errors:ParameterTypeError",
    "UnhandledInMergeArtifactsException": "asyncflow.flow.errors:UnhandledInMergeError",
    "UnknownStepDecoratorException": "asyncflow.flow.errors:UnknownDecoratorError",
}

_S3 = {
    "S3": "asyncflow",
    "S3GetObject": "asyncflow.s3.values",
    "S3Object": "asyncflow.s3.values",
    "S3PutObject": "asyncflow.s3.values",
    "RangeInfo": "asyncflow.s3.values",
    "MetaflowS3AccessDenied": "asyncflow.s3.errors",
    "MetaflowS3Exception": "asyncflow.s3.errors",
    "MetaflowS3InsufficientDiskSpace": "asyncflow.s3.errors",
    "MetaflowS3InvalidObject": "asyncflow.s3.errors",
    "MetaflowS3InvalidRange": "asyncflow.s3.errors",
    "MetaflowS3NotFound": "asyncflow.s3.errors",
    "MetaflowS3URLException": "asyncflow.s3.errors",
}

_CARD = {
    "MetaflowCard": "asyncflow.cards.card",
    "MetaflowCardComponent": "asyncflow.cards.component",
}

MODULES: Mapping[str, Mapping[str, str]] = {
    **DEEPER,
    "metaflow": {"__version__": "asyncflow", "S3": "asyncflow", "cards": "asyncflow"},
    "metaflow.cards": {},
    "metaflow.client": _CLIENT,
    "metaflow.client.core": _CLIENT,
    "metaflow.current": {"current": "asyncflow", "Current": "asyncflow.flow.current:Current"},
    "metaflow.datatools": _S3,
    "metaflow.datatools.s3": _S3,
    "metaflow.decorators": {
        "FlowDecorator": "asyncflow.flow.decorators.flow_level:FlowDecorator",
        "StepDecorator": "asyncflow.flow.decorators.base:StepDecorator",
    },
    "metaflow.events": {
        "MetaflowEvent": "asyncflow.client.trigger:MetaflowEvent",
        "Trigger": "asyncflow.client.trigger:Trigger",
    },
    "metaflow.exception": _EXCEPTIONS,
    "metaflow.flowspec": {"FlowSpec": "asyncflow", **_EXCEPTIONS},
    "metaflow.includefile": {"IncludeFile": "asyncflow"},
    "metaflow.metaflow_config": {},
    "metaflow.metaflow_current": {"current": "asyncflow", "Current": "asyncflow.flow.current:Current"},
    "metaflow.user_configs": {},
    "metaflow.user_configs.config_options": {},
    "metaflow.parameters": {"JSONType": "asyncflow", "Parameter": "asyncflow"},
    "metaflow.plugins": {},
    "metaflow.plugins.cards": {},
    "metaflow.plugins.cards.card_client": {
        "Card": "asyncflow.client.cards",
        "CardContainer": "asyncflow.client.cards",
        "get_cards": "asyncflow.client.cards",
    },
    "metaflow.plugins.cards.card_modules": _CARD,
    "metaflow.plugins.cards.card_modules.card": _CARD,
    "metaflow.plugins.cards.card_modules.components": {},
    "metaflow.plugins.cards.exception": {"CardNotPresentException": "asyncflow.client.errors:NoSuchObject"},
    "metaflow.plugins.datatools": _S3,
    "metaflow.plugins.datatools.s3": _S3,
    "metaflow.plugins.datatools.s3.s3": _S3,
    "metaflow.plugins.package_suffixes_mutator": {
        "package_suffixes": "asyncflow.flow.packaged:package_suffixes"
    },
    "metaflow.plugins.parallel_decorator": {},
    "metaflow.plugins.secrets": {"get_secret": "asyncflow.worker.secrets:get_secret"},
    "metaflow.runner": {"Runner": "asyncflow", "NBRunner": "asyncflow"},
    "metaflow.util": {"get_username": "asyncflow.users:user_name"},
}
"""Name to `module` or `module:other_name`. What the root has beyond this are asyncflow's own public names."""

_SAME_AS = {
    "metaflow.cards": "asyncflow.cards",
    "metaflow.plugins.cards": "asyncflow.cards",
    "metaflow.plugins.cards.card_modules.components": "asyncflow.cards",
    "metaflow.plugins": "asyncflow",
    "metaflow": "asyncflow",
}
"""Modules whose other names are found where the second says, if it has them."""


def home_of(module: str, name: str) -> tuple[str, str] | None:
    """Return module and attribute that a name of Metaflow's stands for; None if it is not known.

    What is returned for a name of a module that is the same as one of ours may still not be there.
    """
    known = MODULES[module].get(name)
    if known is not None:
        home, _, attribute = known.partition(":")
        return home, attribute or name
    same = _SAME_AS.get(module)
    return None if same is None or name.startswith("__") else (same, name)
