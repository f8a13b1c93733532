"""The code that a run began with."""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from asyncflow.client.place import Place
from asyncflow.errors import StoreError, UserError
from asyncflow.events.rows import RunRow
from asyncflow.machine.ids import PARAMETERS_TASK
from asyncflow.store.code import read_code

__all__ = ["MetaflowCode", "code_of", "write_files"]


class MetaflowCode:
    """A run's code: the flow's file and those of the user's modules it had imported. Metaflow's name."""

    def __init__(self, digest: str, files: Mapping[str, bytes], script_name: str) -> None:
        self._digest = digest
        self.files = dict(files)
        """Content by name, relative to the flow's directory."""
        self.script_name = script_name
        """The flow's file."""

    @property
    def path(self) -> str:
        """The digest of the whole."""
        return self._digest

    @property
    def info(self) -> dict[str, str]:
        """What is known of it: the script's name."""
        return {"script": self.script_name}

    @property
    def flowspec(self) -> str:
        """The source text of the flow's file."""
        return self.files.get(self.script_name, b"").decode("utf-8", "replace")

    @property
    def tarball(self) -> tarfile.TarFile:
        """All files as an archive in memory."""
        data = io.BytesIO()
        with tarfile.open(fileobj=data, mode="w:gz") as archive:
            for name, content in self.files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        data.seek(0)
        return tarfile.open(fileobj=data, mode="r:gz")

    def extract(self) -> tempfile.TemporaryDirectory[str]:
        """Write the files into a temporary directory, which is removed when what is returned is closed or lost."""
        directory = tempfile.TemporaryDirectory(prefix="asyncflow-code-")
        for _ in write_files(self.files, directory.name):
            pass
        return directory

    def __repr__(self) -> str:
        return f"<MetaflowCode {self.script_name}, {len(self.files)} file(s)>"


def code_of(place: Place, run: RunRow) -> MetaflowCode | None:
    """Return the code of a run; None if it was not kept."""
    key = (run.run, PARAMETERS_TASK, 0)
    if not place.store.has_manifest(*key):
        return None
    digest = place.store.read_manifest(*key).code
    if digest is None:
        return None
    flow_file = str(place.beginning(run.run).meta.get("flow_file") or "")
    return MetaflowCode(digest, read_code(place.store, digest), os.path.basename(flow_file))


def write_files(files: Mapping[str, bytes], directory: str) -> Iterator[str]:
    """Write files below a directory; yield their paths.

    Raises:
        UserError: One would lie outside of the directory, or cannot be written.
        StoreError: A name in the store is none that we write.
    """
    for name, content in files.items():
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts:
            raise StoreError(f"The run's code has a file with a name that leads elsewhere: {name!r}")
        path = os.path.join(directory, *parts)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as file:
                file.write(content)
        except OSError as error:
            raise UserError(f"{path} cannot be written: {error.strerror}") from error
        yield path
