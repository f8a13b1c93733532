"""What asyncflow brings along into a container: itself and the packages a worker needs, as files of an archive.

    .asyncflow-package/start.py            what runs first
                       info.json           what is in it
                       lib.zip             asyncflow
                       pure.zip            packages in Python alone
                       pure/               those of them that read files of their own
                       native/<ABI>/       compiled modules, for the interpreters whose tag that is

Archives, and not one file a module: where a file system takes half a millisecond to make a file, as some do in
containers, 900 files are half of a worker's start.

Compiled are blake3, zstandard and msgpack: those of the scheduler's own interpreter, and those in a directory of wheels
(`ASYNCFLOW_PACKAGE_WHEELS`). Another interpreter uses its own, or what asyncflow has in their place.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import io
import json
import marshal
import os
import re
import sys
import zipfile
from collections.abc import Iterator, Sequence

from asyncflow.settings import setting
from asyncflow.store.package.archive import Member
from asyncflow.store.package.elf import stripped
from asyncflow.store.package.scan import PackageError, Source, files_below, source_of
from asyncflow.version import __version__

__all__ = ["LEAST_VERSIONS", "PLACE", "brought_fingerprint", "brought_members"]

PLACE = ".asyncflow-package"
"""Directory in the package where everything lies that is not the user's."""

LEAST_VERSIONS = {
    "anyio": "4.6",
    "blake3": "1.0",
    "botocore": "1.36",
    "idna": "2.8",
    "msgpack": "1.0.8",
    "typing_extensions": "4.5",
    "zstandard": "0.22",
}
"""What an image's own package must at least be to be used in place of the one brought."""

_PURE = (
    "anyio",
    "idna",
    "typing_extensions",
    "msgpack",
    "botocore",
    "jmespath",
    "dateutil",
    "six",
    "urllib3",
)
_ADVANCING = ("typing_extensions",)
"""Packages that others take new names from as soon as there are any: an older one than that brought is too old."""
_WITH_FILES = ("botocore",)
_NATIVE = ("blake3", "zstandard", "msgpack")
_DISTRIBUTIONS = {"dateutil": "python_dateutil"}
_OURS = "asyncflow"
_DATA = (".py", ".json", ".json.gz", ".pem", ".sql", ".tcss", ".html", ".js", ".css", "py.typed")
_BOTOCORE_DATA = ("s3/", "sts/", "sso/", "sso-oidc/", "signin/")
_NOT_NEEDED = ("/examples-1.json", "/backend_cffi.py", "/_trio.py", "/pytest_plugin.py")
_ABSENT = tuple(f"{_OURS}/{room}/" for room in ("cli", "tui"))
"""Rooms for people at a terminal."""
_RARE = tuple(
    f"{_OURS}/{room}/"
    for room in ("backends/batch", "backends/kubernetes", "engine", "runner", "runtime", "testing")
)
"""Rooms that a worker has no use for; a step that imports one compiles it."""
_SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0]
_ABI = re.compile(r"\.(cpython-\d+[^/]*)\.so$")


def brought_fingerprint() -> list[object]:
    """Return what changes when `brought_members` would; without reading a file of it."""
    ours = [(source.name, source.size_bytes, source.changed_ns) for source in _own_files()]
    installed = [(name, _version(name), _stamp(place)) for name, place in _places().items()]
    wheels = [(path, os.stat(path).st_size, os.stat(path).st_mtime_ns) for path in _wheels()]
    return [__version__, sys.version, _SUFFIX, ours, installed, wheels]


def brought_members() -> Iterator[Member]:
    """Yield the files, in the same order every time. Raises PackageError if one cannot be read."""
    start = os.path.join(os.path.dirname(_own_place()), "asyncflow", "worker", "start.py")
    yield Member(f"{PLACE}/start.py", _read(start))
    yield Member(f"{PLACE}/info.json", _info())
    yield Member(f"{PLACE}/lib.zip", _zipped(_own_files()))
    places = _places()
    pure = [name for name in _PURE if name in places]
    archived = [name for name in pure if name not in _WITH_FILES]
    yield Member(
        f"{PLACE}/pure.zip",
        _zipped([source for name in archived for source in _installed_files(name, places[name])]),
    )
    for name in pure:
        if name in _WITH_FILES:
            yield from _with_bytecode(_installed_files(name, places[name]), f"{PLACE}/pure/")
    yield from _own_natives(places)
    yield from _natives_of_wheels()


def _info() -> bytes:
    told = {
        "asyncflow": __version__,
        "python": list(sys.version_info[:2]),
        "brought": {name: _version(name) for name in _places()},
        "least": LEAST_VERSIONS | {name: _version(name) for name in _ADVANCING if _version(name)},
    }
    return json.dumps(told, sort_keys=True, indent=1).encode()


# asyncflow and packages in Python


def _own_place() -> str:
    spec = importlib.util.find_spec(_OURS)
    if spec is None or not spec.submodule_search_locations:
        raise PackageError("asyncflow's own files are not in a directory, so they cannot be packed")
    return next(iter(spec.submodule_search_locations))


def _own_files() -> Sequence[Source]:
    found = files_below(_own_place(), _DATA, under=f"{_OURS}/").files
    return [source for source in found if not source.name.startswith(_ABSENT)]


def _places() -> dict[str, str]:
    """Return where each package is that is installed here: a directory, or a file."""
    found: dict[str, str] = {}
    for name in dict.fromkeys((*_PURE, *_NATIVE)):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            found[name] = os.path.dirname(spec.origin) if spec.submodule_search_locations else spec.origin
    return found


def _version(name: str) -> str:
    """Return the version of an installed package, by the name of the directory that describes it."""
    place = _places_parent(name)
    begin = f"{_DISTRIBUTIONS.get(name, name)}-"
    for entry in sorted(os.listdir(place)) if place else ():
        if entry.lower().startswith(begin) and entry.endswith(".dist-info"):
            return entry[len(begin) : -len(".dist-info")]
    return ""


def _places_parent(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.origin:
        return ""
    own = os.path.dirname(spec.origin)
    return os.path.dirname(own) if spec.submodule_search_locations else own


def _stamp(place: str) -> int:
    return os.stat(place).st_mtime_ns


def _installed_files(name: str, place: str) -> Sequence[Source]:
    if os.path.isfile(place):
        return [source_of(f"{name}.py", place)]
    found = files_below(place, _DATA, under=f"{name}/")
    return [source for source in found.files if _is_needed(source.name)]


def _is_needed(name: str) -> bool:
    if name.endswith(_NOT_NEEDED):
        return False
    data = name.removeprefix("botocore/data/")
    return data == name or "/" not in data or data.startswith(_BOTOCORE_DATA)


def _with_bytecode(found: Sequence[Source], under: str) -> Iterator[Member]:
    """Yield files, and for each module what it compiles to, so that nobody has to compile it again."""
    for source in found:
        data = _read(source.path)
        yield Member(under + source.name, data)
        compiled = _bytecode_of(source, data)
        if compiled:
            yield Member(importlib.util.cache_from_source(under + source.name), compiled)


def _zipped(found: Sequence[Source]) -> bytes:
    """Return files as an archive that modules are imported from, compiled ones beside their sources; not compressed."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for source in found:
            data = _read(source.path)
            archive.writestr(_entry(source.name), data)
            compiled = _bytecode_of(source, data)
            if compiled:
                archive.writestr(_entry(f"{source.name}c"), compiled)
    return target.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Return an archive's entry that says nothing of when and where it was made."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry


def _bytecode_of(source: Source, data: bytes) -> bytes:
    """Return a module's bytecode file; empty: it is no module, is seldom needed, or cannot be compiled."""
    if not source.name.endswith(".py") or source.name.startswith(_RARE):
        return b""
    return _compiled(data, source.name)


def _compiled(text: bytes, name: str) -> bytes:
    """Return a module's bytecode file, which is believed without a look at its source; empty: it cannot be compiled.

    Marshalled without references, whose marks depend on what else the process has in memory.
    """
    try:
        code = compile(text, name, "exec", dont_inherit=True, optimize=0)
    except (SyntaxError, ValueError):
        return b""  # for another version of Python
    unchecked = 1
    return (
        importlib.util.MAGIC_NUMBER
        + unchecked.to_bytes(4, "little")
        + importlib.util.source_hash(text)
        + marshal.dumps(code, 2)
    )


# Compiled modules


def _own_natives(places: dict[str, str]) -> Iterator[Member]:
    """Yield the compiled packages of this interpreter, if a container may have the same."""
    if not sys.platform.startswith("linux"):
        return
    abi = _SUFFIX.removeprefix(".").removesuffix(".so")
    for name in _NATIVE:
        if name in places and os.path.isdir(places[name]):
            found = files_below(places[name], (".py", _SUFFIX), under=f"{name}/")
            for source in found.files:
                if "/_cffi." not in source.name and _is_needed(source.name):
                    yield Member(f"{PLACE}/native/{abi}/{source.name}", stripped(_read(source.path)))


def _wheels() -> list[str]:
    directory = setting("PACKAGE_WHEELS")
    if not directory:
        return []
    try:
        names = sorted(os.listdir(directory))
    except OSError as error:
        raise PackageError(
            f"The directory of wheels cannot be read: {error.strerror}",
            where=directory,
            hint="It is named by ASYNCFLOW_PACKAGE_WHEELS.",
        ) from error
    return [os.path.join(directory, name) for name in names if name.endswith(".whl")]


def _natives_of_wheels() -> Iterator[Member]:
    for path in _wheels():
        try:
            with zipfile.ZipFile(path) as wheel:
                yield from _natives_of(wheel)
        except (OSError, zipfile.BadZipFile) as error:
            raise PackageError(f"A wheel cannot be read: {error}", where=path) from error


def _natives_of(wheel: zipfile.ZipFile) -> Iterator[Member]:
    """Yield the files of a wheel, in the directory of the interpreters for which its compiled modules are."""
    names = [name for name in sorted(wheel.namelist()) if name.partition("/")[0] in _NATIVE]
    tags = {found[1] for name in names if (found := _ABI.search(name))}
    if len(tags) != 1 or tags == {_SUFFIX.removeprefix(".").removesuffix(".so")}:
        return  # in Python alone, or for this interpreter, whose modules are there already
    abi = tags.pop()
    for name in names:
        if name.endswith((".py", ".so")) and _is_needed(name) and "/_cffi." not in name:
            yield Member(f"{PLACE}/native/{abi}/{name}", stripped(wheel.read(name)))


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise PackageError(
            f"A file of the code package cannot be read: {error.strerror}", where=path
        ) from error
