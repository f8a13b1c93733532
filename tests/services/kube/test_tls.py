"""HTTPS with a certificate of its own authority, and bearer tokens."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kubernetes_asyncio import client

from tests.services.kube.fixture import fresh_namespace, kubectl_version, serve


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return cert_file, key_file


async def test_both_clients_speak_https_with_a_token(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    arguments = ("--mode", "noop", "--tls-cert", str(cert), "--tls-key", str(key), "--token", "t0ken")
    with serve(*arguments, ca_file=cert) as server, fresh_namespace(server, tmp_path / "k", "t0ken") as kube:
        assert kube.url.startswith("https://")
        async with kube.client() as api:
            assert (await client.CoreV1Api(api).list_namespaced_pod(kube.namespace)).items == []
        if kubectl_version() != (0, 0):
            assert "node-1" in kube.kubectl("get", "nodes")
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientSSLError):
                await session.get(f"{kube.url}/version")
        assert kube.faults.calls()["list", "pods"] == 1
