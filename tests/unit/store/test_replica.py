"""The directory that stands for a store in a bucket, and whose it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncflow.errors import StoreError, UserError
from asyncflow.store import replica
from asyncflow.store.s3.address import parse_url

URL = "s3://bucket/some/place"


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ASYNCFLOW_STORE", "METAFLOW_DEFAULT_DATASTORE", "METAFLOW_DATASTORE_SYSROOT_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ASYNCFLOW_CACHE_DIR", str(tmp_path / "cache"))


def test_each_store_has_a_replica_of_its_own_that_only_its_user_reads(tmp_path: Path) -> None:
    roots = [replica.make_replica(url) for url in (URL, "s3://bucket/some-place", "s3://bucket/some/place2")]

    assert len(set(roots)) == 3
    assert all(root.startswith(str(tmp_path / "cache" / "stores")) for root in roots)
    assert replica.make_replica(f"{URL}/") == roots[0]
    assert replica.remote_url(roots[0]) == URL
    assert os.stat(roots[0]).st_mode & 0o077 == 0


def test_a_store_in_a_directory_is_no_replica_and_makes_up_its_owner(tmp_path: Path) -> None:
    root = str(tmp_path / ".asyncflow")
    os.makedirs(f"{root}/tmp")

    owner = replica.owner_of(root)

    assert replica.remote_url(root) is None
    assert len(owner) == 8
    assert int(owner, 16) >= 0
    assert replica.owner_of(root) == owner


def test_a_replica_makes_up_no_owner(tmp_path: Path) -> None:
    root = replica.make_replica(URL)

    with pytest.raises(StoreError, match="Nothing was ever run"):
        replica.owner_of(root)

    assert replica.keep_owner(root, "0badcafe") == "0badcafe"
    assert replica.owner_of(root) == "0badcafe"


def test_a_replica_of_another_store_is_refused() -> None:
    root = replica.make_replica(URL)
    replica.see_nobody_owns(root)
    replica.keep_owner(root, "0badcafe")

    with pytest.raises(StoreError, match="another store") as told:
        replica.keep_owner(root, "deadbeef")
    with pytest.raises(StoreError, match="emptied"):
        replica.see_nobody_owns(root)

    assert f"rm -r {root}" in (told.value.hint or "")


def test_the_environment_names_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    assert replica.given_store() is None
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", "s3")
    with pytest.raises(UserError, match="nothing says in which"):
        replica.given_store()
    monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_S3", URL)
    assert replica.given_store() == URL
    monkeypatch.setenv("METAFLOW_DEFAULT_DATASTORE", "azure")
    with pytest.raises(UserError, match="azure"):
        replica.given_store()
    monkeypatch.setenv("ASYNCFLOW_STORE", "some/where")
    assert replica.given_store() == os.path.abspath("some/where")
    monkeypatch.setenv("ASYNCFLOW_STORE", "s3:bucket")
    with pytest.raises(UserError, match="no address"):
        replica.given_store()


def test_what_is_no_address_makes_no_replica(tmp_path: Path) -> None:
    with pytest.raises(UserError):
        replica.make_replica("s3://")
    assert not (tmp_path / "cache").exists()
    assert parse_url(URL).url == URL
