"""The Kubernetes library is imported without its models, and nobody who uses it beside us notices."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

LEAN = "from asyncflow.backends.kubernetes.connecting import library; library()\n"


def told(script: str) -> str:
    """Return what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_we_use_is_there_and_no_model_is() -> None:
    script = """
        import sys
        client = library("kubernetes_asyncio.client")
        print(client.ApiClient.__name__, client.Configuration.__name__, client.rest.RESTClientObject.__name__)
        print(library("kubernetes_asyncio.config").ConfigException.__name__)
        print(sum(name.startswith("kubernetes_asyncio.client.models") for name in sys.modules))
    """
    assert told(LEAN + textwrap.dedent(script)).splitlines() == [
        "ApiClient Configuration RESTClientObject",
        "ConfigException",
        "1",  # the package of the models itself
    ]


PUBLIC = """
import importlib, types
for name in ("kubernetes_asyncio", "kubernetes_asyncio.client", "kubernetes_asyncio.client.models"):
    module = importlib.import_module(name)
    module.__all__ if hasattr(module, "__all__") else module.V1Pod
    assert type(module) is types.ModuleType
    print(name, sorted(one for one in vars(module) if not one.startswith("_")))
"""


def test_who_asks_for_more_gets_what_everybody_gets() -> None:
    assert told(LEAN + PUBLIC) == told(PUBLIC)


@pytest.mark.parametrize(
    "statement",
    [
        "from kubernetes_asyncio import client, watch; client.CoreV1Api; watch.Watch",
        "import kubernetes_asyncio.client.models.v1_pod as m; m.V1Pod",
        "from kubernetes_asyncio.client import *; V1Pod; ApiException",
        "from kubernetes_asyncio.client.models import *; V1Pod",
        "from kubernetes_asyncio.client.rest import ApiException; import kubernetes_asyncio; kubernetes_asyncio.stream",
        "import pickle; from kubernetes_asyncio.client import V1Pod; pickle.loads(pickle.dumps(V1Pod()))",
        "from kubernetes_asyncio.client import V1Pod; from kubernetes_asyncio import client as c; "
        "assert c.models.V1Pod is V1Pod is c.V1Pod",
    ],
)
def test_usual_ways_to_use_the_library_work_beside_us(statement: str) -> None:
    told(LEAN + statement)


def test_a_name_that_is_nowhere_is_an_attribute_error() -> None:
    script = """
        from kubernetes_asyncio import client
        try:
            client.V1Nonsense
        except AttributeError as error:
            print(error)
    """
    assert told(LEAN + textwrap.dedent(script)) == (
        "module 'kubernetes_asyncio.client' has no attribute 'V1Nonsense'\n"
    )


def test_many_threads_may_be_the_first() -> None:
    script = """
        import threading
        from kubernetes_asyncio import client
        gate, got = threading.Barrier(8), []
        def ask():
            gate.wait()
            got.append(client.V1Pod)
        threads = [threading.Thread(target=ask) for _ in range(8)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        print(len(got), len(set(got)))
    """
    assert told(LEAN + textwrap.dedent(script)) == "8 1\n"


def test_a_library_that_is_there_already_is_left_alone() -> None:
    script = """
        import sys
        import kubernetes_asyncio
        before = kubernetes_asyncio.client
        from asyncflow.backends.kubernetes.connecting import library
        print(library() is kubernetes_asyncio, library("kubernetes_asyncio.client") is before)
    """
    assert told(script) == "True True\n"


def test_a_release_that_is_made_in_another_way_is_imported_as_it_is(tmp_path: object) -> None:
    script = f"""
        import pathlib, sys
        place = pathlib.Path({str(tmp_path)!r}, "kubernetes_asyncio")
        place.mkdir()
        (place / "__init__.py").write_text("from kubernetes_asyncio import client")
        (place / "client.py").write_text("ApiClient = 'theirs'")
        sys.path.insert(0, str(place.parent))
        from asyncflow.backends.kubernetes.connecting import library
        print(library("kubernetes_asyncio.client").ApiClient)
    """
    assert told(script) == "theirs\n"
