"""What goes wrong with a cluster, in words."""

from __future__ import annotations

from asyncflow.errors import PlatformError, UserError

__all__ = ["BadConnection", "BadOption", "BadTemplate", "ClusterError", "MissingLibrary", "Unauthorized"]


class BadOption(UserError):
    """An option of @kubernetes, or a setting that stands for one, cannot be."""

    headline = "Invalid option for Kubernetes"


class BadTemplate(UserError):
    """The file given by --k8s-template is no overlay of a pod."""

    headline = "Invalid pod template"


class BadConnection(UserError):
    """The cluster cannot be reached as it is configured: no kubeconfig, unknown context, refused credentials."""

    headline = "The cluster cannot be used"


class MissingLibrary(UserError):
    """What speaks to Kubernetes is not installed."""

    headline = "A package is missing"


class ClusterError(PlatformError):
    """The cluster does not answer, or not as it should, after all that was tried."""

    headline = "The cluster does not answer"


class Unauthorized(ClusterError):
    """The cluster refuses our credentials, also after they were read anew."""

    headline = "The cluster refuses the credentials"
