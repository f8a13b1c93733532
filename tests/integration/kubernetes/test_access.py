"""How the cluster is reached: HTTPS, an authority of its own, tokens in a kubeconfig and in a pod."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from asyncflow.backends.kubernetes.api import Api
from asyncflow.backends.kubernetes.connecting import Access
from asyncflow.backends.kubernetes.errors import BadConnection, ClusterError, Unauthorized
from asyncflow.backends.remote.platform import EndReason
from tests.integration.kubernetes.story import job, opened
from tests.services.kube.fixture import Kube, fresh_namespace, serve
from tests.services.kube.test_tls import certificate

TOKEN = "t0ken"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kube]:
    folder = tmp_path_factory.mktemp("tls")
    cert, key = certificate(folder)
    arguments = ("--mode", "process", "--tls-cert", str(cert), "--tls-key", str(key), "--token", TOKEN)
    with serve(*arguments, ca_file=cert) as server, fresh_namespace(server, folder / "kube", TOKEN) as kube:
        yield kube


def account(kube: Kube, folder: Path, token: str = TOKEN) -> Path:
    """Write what a pod finds of its service account."""
    assert kube.server.ca_file is not None
    folder.mkdir(exist_ok=True)
    (folder / "token").write_text(token)
    (folder / "ca.crt").write_text(kube.server.ca_file.read_text())
    (folder / "namespace").write_text(kube.namespace)
    return folder


@pytest.fixture
def in_pod(secured: Kube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Access:
    """Let this process look as a pod does."""
    host, _, port = secured.url.removeprefix("https://").partition(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "nowhere"))
    return Access(account=str(account(secured, tmp_path / "account")))


async def test_jobs_run_over_https_with_a_token(secured: Kube) -> None:
    async with opened(secured) as (platform, listener):
        await platform.submit([job(1, "exit 0")])
        (ended,) = await listener.ended(1)
    assert ended.end is not None
    assert ended.end.reason is EndReason.SUCCEEDED


async def test_a_server_that_is_not_who_it_says_is_refused(secured: Kube, tmp_path: Path) -> None:
    other, _ = certificate(tmp_path)
    text = secured.config.read_text().replace(str(secured.server.ca_file), str(other))
    (tmp_path / "config").write_text(text)
    async with Api(Access(kubeconfig=str(tmp_path / "config")), patience_s=0.5) as api:
        with pytest.raises(ClusterError, match=r"(?i)certificate"):
            await api.get("/version")


async def test_a_pod_uses_its_service_account(secured: Kube, in_pod: Access) -> None:
    async with Api(in_pod) as api:
        assert api.loaded.namespace == secured.namespace
        assert (await api.get(f"/api/v1/namespaces/{secured.namespace}/pods"))["kind"] == "PodList"


async def test_a_pods_token_is_read_anew_when_it_is_refused(secured: Kube, in_pod: Access) -> None:
    async with Api(in_pod, patience_s=20.0) as api:
        await api.get("/version")
        try:
            await asyncio.to_thread(secured.faults.accept_tokens, "newer")
            (Path(in_pod.account) / "token").write_text("newer")
            begin = time.monotonic()
            await api.get("/version")
            assert time.monotonic() - begin < 10
        finally:
            await asyncio.to_thread(secured.faults.accept_tokens, TOKEN)


async def test_a_token_that_stays_refused_is_said_so(secured: Kube, in_pod: Access) -> None:
    (Path(in_pod.account) / "token").write_text("wrong")
    async with Api(in_pod, patience_s=1.0) as api:
        with pytest.raises(Unauthorized, match="the service account of this pod are refused"):
            await api.get("/version")


async def test_a_pod_without_a_service_account_says_what_to_do(in_pod: Access) -> None:
    (Path(in_pod.account) / "token").unlink()
    with pytest.raises(BadConnection, match="its service account cannot be used") as refused:
        async with Api(in_pod):
            pass
    assert "automountServiceAccountToken" in refused.value.hint
