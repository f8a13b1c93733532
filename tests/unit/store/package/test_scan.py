"""Which files of a flow's directory are packed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asyncflow.store.package.scan import PackageError, files_below


def put(directory: Path, *names: str) -> None:
    for name in names:
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)


def names_in(directory: Path, *suffixes: str) -> list[str]:
    return [source.name for source in files_below(str(directory), suffixes or (".py",)).files]


def test_code_is_found_in_order_of_names_whatever_the_directory_lists_first(tmp_path: Path) -> None:
    put(tmp_path, "z.py", "lib/b.py", "lib/a.py", "flow.py", "lib/deep/er/c.py", "data.csv")

    assert names_in(tmp_path) == ["flow.py", "lib/a.py", "lib/b.py", "lib/deep/er/c.py", "z.py"]
    assert names_in(tmp_path, ".csv") == ["data.csv"]


def test_what_is_hidden_compiled_or_installed_stays(tmp_path: Path) -> None:
    put(
        tmp_path,
        "flow.py",
        ".hidden.py",
        ".git/hooks/hook.py",
        ".asyncflow/code.py",
        "__pycache__/flow.cpython-311.py",
        "node_modules/left_pad/index.py",
        "env/pyvenv.cfg",
        "env/lib/python3.11/site-packages/numpy/__init__.py",
        "elsewhere/asyncflow.db",
        "elsewhere/code.py",
    )

    assert names_in(tmp_path) == ["flow.py"]


def test_what_looks_like_a_secret_stays_and_is_named(tmp_path: Path) -> None:
    secret = (
        "server.pem",
        "prod.env",
        "id_rsa",
        "credentials.json",
        "deploy/gcp_credentials.json",
        "TLS.KEY",
    )
    put(tmp_path, "flow.py", "settings.json", "credentials.py", ".env", *secret)

    found = files_below(str(tmp_path), (".py", ".json", ".pem", ".env", "id_rsa", ".KEY"))

    assert [source.name for source in found.files] == ["credentials.py", "flow.py", "settings.json"]
    assert sorted(found.left_out) == sorted(str(tmp_path / name) for name in secret)


def test_links_are_followed_and_never_in_circles(tmp_path: Path) -> None:
    put(tmp_path, "project/flow.py", "shared/tool.py")
    (tmp_path / "project/shared").symlink_to(tmp_path / "shared")
    (tmp_path / "project/tool.py").symlink_to(tmp_path / "shared/tool.py")
    (tmp_path / "project/again").symlink_to(tmp_path / "project")
    (tmp_path / "project/gone.py").symlink_to(tmp_path / "nowhere.py")

    assert names_in(tmp_path / "project") == ["flow.py", "shared/tool.py", "tool.py"]


def test_a_directory_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="cannot be read") as caught:
        files_below(str(tmp_path / "nowhere"), (".py",))

    assert caught.value.where == str(tmp_path / "nowhere")


def test_a_program_stays_one(tmp_path: Path) -> None:
    put(tmp_path, "run.sh", "notes.sh")
    os.chmod(tmp_path / "run.sh", 0o755)

    found = files_below(str(tmp_path), (".sh",)).files

    assert {source.name: source.is_executable for source in found} == {"notes.sh": False, "run.sh": True}
