"""What a pod's containers find: environment, files of its volumes, addresses."""

from __future__ import annotations

import base64
import re
import shutil
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.services.kube.kinds import CONFIG_MAPS, JOBS, SECRETS, SERVICES, Kind
from tests.services.kube.kubelet.runtime import Mount
from tests.services.kube.objects import (
    Object,
    annotations_of,
    at_path,
    labels_of,
    name_of,
    namespace_of,
    uid_of,
)
from tests.services.kube.quantity import parse_quantity
from tests.services.kube.selectors import matches_label_selector
from tests.services.kube.store import Store

_REFERENCE = re.compile(r"\$(\$|\(([A-Za-z_.][\w.-]*)\))")
_SUBSCRIPT = re.compile(r"^metadata\.(labels|annotations)\['([^']+)'\]$")
DOMAIN = "svc.cluster.local"


class NotReady(Exception):
    """Something that the pod refers to is missing: a secret, a config map, a key of one."""


def address_of(namespace: str, host: str, subdomain: str) -> str:
    """Return a pod's address: of the loopback network, always the same for a name, so that it is known early."""
    number = zlib.crc32(f"{host}.{subdomain}.{namespace}".encode())
    return f"127.{1 + number % 254}.{1 + number // 254 % 254}.{1 + number // 64516 % 254}"


def pod_address(pod: Object) -> str:
    """Return the address of a pod; of one that nobody can look up by name: 127.0.0.1."""
    spec = pod["spec"]
    if not spec.get("subdomain"):
        return "127.0.0.1"
    return address_of(namespace_of(pod), spec.get("hostname") or name_of(pod), spec["subdomain"])


def hosts_of(pod: Object, store: Store) -> dict[str, str]:
    """Return the names that a pod can look up, by a headless service: all pods of its gang, started or not."""
    namespace, subdomain = namespace_of(pod), pod["spec"].get("subdomain")
    service = store.find(SERVICES, namespace, subdomain) if subdomain else None
    if service is None or not matches_label_selector(
        {"matchLabels": service.item["spec"].get("selector") or {}}, pod
    ):
        return {}
    names = _gang(pod, store) or [pod["spec"].get("hostname") or name_of(pod)]
    found = {}
    for name in names:
        address = address_of(namespace, name, subdomain)
        short = f"{name}.{subdomain}"
        found.update({short: address, f"{short}.{namespace}": address, f"{short}.{namespace}.svc": address})
        found[f"{short}.{namespace}.{DOMAIN}"] = address
    return found


def _gang(pod: Object, store: Store) -> list[str]:
    job = labels_of(pod).get("batch.kubernetes.io/job-name")
    found = store.find(JOBS, namespace_of(pod), job) if job else None
    if found is None or found.item["spec"].get("completionMode") != "Indexed":
        return []
    return [f"{job}-{index}" for index in range(int(found.item["spec"].get("completions") or 1))]


def environment(pod: Object, container: Object, store: Store) -> dict[str, str]:
    """Return a container's environment.

    Raises:
        NotReady: A secret or config map it refers to is missing.
    """
    env = {"HOSTNAME": pod["spec"].get("hostname") or name_of(pod)}
    for source in container.get("envFrom") or []:
        for kind, key in ((CONFIG_MAPS, "configMapRef"), (SECRETS, "secretRef")):
            if key in source:
                data = _data(store, kind, namespace_of(pod), source[key])
                env.update({source.get("prefix", "") + name: _text(value) for name, value in data.items()})
    for entry in container.get("env") or []:
        if "valueFrom" in entry:
            value = _value_from(entry["valueFrom"], pod, container, store)
            if value is not None:
                env[entry["name"]] = value
        else:
            env[entry["name"]] = expand(str(entry.get("value") or ""), env)
    return env


def expand(text: str, env: Mapping[str, str]) -> str:
    """Replace `$(NAME)` by the environment's value; `$$` stands for `$`."""

    def value(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return env.get(found[2], found[0])

    return _REFERENCE.sub(value, text)


def command_of(container: Object, env: Mapping[str, str]) -> tuple[str, ...]:
    """Return command and arguments."""
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    return tuple(expand(str(word), env) for word in words)


def make_volumes(pod: Object, folder: Path, store: Store) -> dict[str, Path]:
    """Make the folders of a pod's volumes; return them by name.

    Raises:
        NotReady: A secret or config map is missing.
    """
    made = {}
    for volume in pod["spec"].get("volumes") or []:
        path = folder / "volumes" / volume["name"]
        if "hostPath" in volume:
            path = Path(volume["hostPath"]["path"])
        elif "persistentVolumeClaim" in volume:
            path = claim_folder(
                folder.parent, namespace_of(pod), volume["persistentVolumeClaim"]["claimName"]
            )
        path.mkdir(parents=True, exist_ok=True)
        for name, data in _files(volume, pod, store).items():
            target = path / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        made[volume["name"]] = path
    return made


def claim_folder(folder: Path, namespace: str, claim: str) -> Path:
    """Return the folder that is a persistent volume claim's."""
    return folder / "claims" / namespace / claim


def mounts_of(
    pod: Object, container: Object, volumes: Mapping[str, Path], message_file: Path
) -> tuple[Mount, ...]:
    """Return what a container sees where."""
    in_memory = {
        volume["name"]
        for volume in pod["spec"].get("volumes") or []
        if (volume.get("emptyDir") or {}).get("medium") == "Memory"
    }
    mounts = [
        Mount(
            path=mount["mountPath"],
            source=volumes[mount["name"]] / mount.get("subPath", ""),
            read_only=bool(mount.get("readOnly")),
            in_memory=mount["name"] in in_memory,
        )
        for mount in container.get("volumeMounts") or []
    ]
    message_path = container.get("terminationMessagePath") or "/dev/termination-log"
    return (*mounts, Mount(path=message_path, source=message_file))


def remove_folder(folder: Path) -> None:
    """Remove a pod's folder; what cannot be removed stays."""
    shutil.rmtree(folder, ignore_errors=True)


def _value_from(source: Object, pod: Object, container: Object, store: Store) -> str | None:
    for kind, key in ((SECRETS, "secretKeyRef"), (CONFIG_MAPS, "configMapKeyRef")):
        if key in source:
            reference = source[key]
            value = _data(store, kind, namespace_of(pod), reference).get(reference["key"])
            if value is None and not reference.get("optional"):
                raise NotReady(f"couldn't find key {reference['key']} in {kind.kind} {reference['name']}")
            return None if value is None else _text(value)
    if "fieldRef" in source:
        return field_value(pod, source["fieldRef"]["fieldPath"])
    return _resource_value(container, source["resourceFieldRef"]["resource"])


def field_value(pod: Object, path: str) -> str:
    """Return what the downward API says of a pod."""
    found = _SUBSCRIPT.match(path)
    if found:
        told = labels_of(pod) if found[1] == "labels" else annotations_of(pod)
        return str(told.get(found[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        told = labels_of(pod) if path == "metadata.labels" else annotations_of(pod)
        return "\n".join(f'{key}="{value}"' for key, value in sorted(told.items()))
    fixed = {"status.podIP": pod_address(pod), "status.hostIP": "127.0.0.1", "metadata.uid": uid_of(pod)}
    return fixed.get(path) or str(at_path(pod, path) or "")


def _resource_value(container: Object, path: str) -> str:
    resources = container.get("resources") or {}
    bounds, _, name = path.partition(".")
    text = (resources.get(bounds) or {}).get(name, "0")
    return str(-(-int(parse_quantity(str(text)) * 1000) // 1000))


def _files(volume: Object, pod: Object, store: Store) -> dict[str, bytes]:
    if "projected" in volume:
        files: dict[str, bytes] = {}
        for source in volume["projected"].get("sources") or []:
            files |= _files(source, pod, store)
        return files
    if "secret" in volume:
        source = {
            **volume["secret"],
            "name": volume["secret"].get("secretName") or volume["secret"].get("name"),
        }
        return _chosen(_data(store, SECRETS, namespace_of(pod), source), source)
    if "configMap" in volume:
        return _chosen(_data(store, CONFIG_MAPS, namespace_of(pod), volume["configMap"]), volume["configMap"])
    if "downwardAPI" in volume:
        items = volume["downwardAPI"].get("items") or []
        return {item["path"]: field_value(pod, item["fieldRef"]["fieldPath"]).encode() for item in items}
    if "serviceAccountToken" in volume:
        return {volume["serviceAccountToken"]["path"]: b"token"}
    return {}


def _chosen(data: Mapping[str, bytes], source: Object) -> dict[str, bytes]:
    items = source.get("items")
    if not items:
        return dict(data)
    return {item["path"]: data[item["key"]] for item in items if item["key"] in data}


def _data(store: Store, kind: Kind, namespace: str, reference: Object) -> dict[str, bytes]:
    found = store.find(kind, namespace, reference["name"])
    if found is None:
        if reference.get("optional"):
            return {}
        raise NotReady(f'{kind.kind.lower()} "{reference["name"]}" not found')
    encoded: dict[str, Any] = found.item.get("data" if kind is SECRETS else "binaryData") or {}
    plain: dict[str, Any] = (found.item.get("data") or {}) if kind is CONFIG_MAPS else {}
    return {
        **{name: base64.b64decode(value) for name, value in encoded.items()},
        **{name: str(value).encode() for name, value in plain.items()},
    }


def _text(value: bytes) -> str:
    return value.decode(errors="surrogateescape")
