"""What tests of runs on other platforms ask for."""

from __future__ import annotations

from tests.services.kube.fixture import kube, kube_server  # noqa: F401 - fixtures
