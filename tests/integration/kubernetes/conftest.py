"""What the tests of this folder may ask for."""

from __future__ import annotations

from tests.services.kube.fixture import kube, kube_noop, kube_noop_server, kube_server

__all__ = ["kube", "kube_noop", "kube_noop_server", "kube_server"]
