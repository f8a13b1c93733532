"""Platforms are found by entry points, and what is wrong with one is said in words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from asyncflow.backends.remote.registry import cannot_import, provider_named, provider_names
from asyncflow.flow.decorators.attached import parse_spec
from asyncflow.flow.errors import DecoratorAttributeError, UnknownDecoratorError
from asyncflow.plugins import PluginError
from asyncflow.testing.process_platform import PROVIDER

CLOUDY = """
from __future__ import annotations
from asyncflow.testing.process_platform import ProcessProvider, Process
from asyncflow.records import record

@record(slots=False)
class Cloudy(Process):
    name = "cloudy"
    queue: str | None = None

class CloudyProvider(ProcessProvider):
    name = "cloudy"
    decorator = Cloudy

PROVIDER = CloudyProvider()
"""


class Site:
    """A directory of installed packages, on the path."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def install(self, package: str, entry: str, *, code: dict[str, str], extras: str = "") -> None:
        """Lay a package out as an installer does, with one entry point `name = module:object`."""
        about = self.directory / f"{package.replace('-', '_')}-1.0.dist-info"
        about.mkdir()
        provides = f"Provides-Extra: {extras}\n" if extras else ""
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n{provides}")
        (about / "entry_points.txt").write_text(f"[asyncflow.backends]\n{entry}\n")
        for module, text in code.items():
            (self.directory / f"{module}.py").write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("af_cloudy", "af_other", "af_needy", "af_broken"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return Site(tmp_path)


def test_the_platform_of_processes_is_found_by_its_entry_point() -> None:
    assert "process" in provider_names()
    assert provider_named("process") is PROVIDER


def test_a_platform_of_another_package_is_found_and_its_decorator_serves_with(site: Site) -> None:
    site.install("af-cloudy", "cloudy = af_cloudy:PROVIDER", code={"af_cloudy": CLOUDY})
    provider = provider_named("cloudy")
    made = parse_spec("cloudy:queue=fast,cpu=2")
    assert type(made) is provider.decorator
    assert made.attributes() == {"cpu": 2, "memory": None, "gpu": None, "queue": "fast"}


def test_attributes_of_another_package_s_decorator_are_checked(site: Site) -> None:
    site.install("af-cloudy", "cloudy = af_cloudy:PROVIDER", code={"af_cloudy": CLOUDY})
    with pytest.raises(DecoratorAttributeError, match="@cloudy has no attribute 'qeue'"):
        parse_spec("cloudy:qeue=fast")


def test_a_provider_s_class_will_do(site: Site) -> None:
    site.install("af-cloudy", "cloudy = af_cloudy:CloudyProvider", code={"af_cloudy": CLOUDY})
    assert provider_named("cloudy").runtime_environment == "process"


def test_looking_for_names_imports_nothing(site: Site) -> None:
    site.install(
        "af-broken", "broken = af_broken:PROVIDER", code={"af_broken": "raise SystemExit('imported')"}
    )
    assert "broken" in provider_names()


def test_an_unknown_name_is_told_with_those_there_are(site: Site) -> None:
    site.install("af-cloudy", "cloudy = af_cloudy:PROVIDER", code={"af_cloudy": CLOUDY})
    with pytest.raises(PluginError) as told:
        provider_named("clody")
    assert told.value.message == "There is no backend 'clody'"
    assert told.value.hint.startswith("Did you mean cloudy? There are: ")
    with pytest.raises(UnknownDecoratorError) as attached:
        parse_spec("clody")
    assert "Did you mean cloudy?" in attached.value.hint


def test_a_missing_library_is_told_with_the_extra_that_brings_it(site: Site) -> None:
    code = {"af_needy": "import a_library_that_is_not_there"}
    site.install("af-needy", "needy = af_needy:PROVIDER", code=code, extras="needy")
    with pytest.raises(PluginError) as told:
        provider_named("needy")
    assert told.value.message == (
        "The backend 'needy' of af-needy cannot be imported: No module named 'a_library_that_is_not_there'"
    )
    assert told.value.hint == 'pip install "af-needy[needy]"'


def test_a_missing_library_without_an_extra_is_told_by_its_name(site: Site) -> None:
    code = {"af_needy": "import a_library_that_is_not_there"}
    site.install("af-needy", "needy = af_needy:PROVIDER", code=code)
    with pytest.raises(PluginError) as told:
        parse_spec("needy:queue=x")
    assert told.value.hint == "Install what is missing, a_library_that_is_not_there, or uninstall af-needy."


def test_a_library_that_is_missed_late_is_told_the_same_way(site: Site) -> None:
    site.install("af-cloudy", "cloudy = af_cloudy:PROVIDER", code={"af_cloudy": CLOUDY}, extras="cloudy")
    told = cannot_import("cloudy", ModuleNotFoundError("No module named 'skylib'", name="skylib"))
    assert "No module named 'skylib'" in told.message
    assert told.hint == 'pip install "af-cloudy[cloudy]"'


def test_two_packages_with_one_name_are_both_named(site: Site) -> None:
    site.install("af-cloudy", "cloudy = af_cloudy:PROVIDER", code={"af_cloudy": CLOUDY})
    site.install("af-other", "cloudy = af_other:PROVIDER", code={"af_other": CLOUDY})
    with pytest.raises(PluginError) as told:
        provider_named("cloudy")
    assert told.value.message == "Several packages bring a backend 'cloudy': af-cloudy and af-other"
    assert told.value.hint == "Uninstall one of them: pip uninstall af-other"


def test_an_entry_point_that_leads_nowhere_is_told(site: Site) -> None:
    site.install("af-cloudy", "cloudy = af_cloudy:PROVDER", code={"af_cloudy": CLOUDY})
    with pytest.raises(PluginError, match=r"'cloudy' of af-cloudy cannot be used: .*PROVDER"):
        provider_named("cloudy")


def test_what_is_no_provider_is_told_with_what_it_lacks(site: Site) -> None:
    site.install(
        "af-other",
        "other = af_other:PROVIDER",
        code={"af_other": "class P:\n name = 'other'\nPROVIDER = P()"},
    )
    with pytest.raises(
        PluginError, match="'other' is no provider: P has no decorator, runtime_environment, "
    ):
        provider_named("other")
    with pytest.raises(UnknownDecoratorError, match="brings no step decorator"):
        parse_spec("other")


def test_a_provider_of_another_name_is_told(site: Site) -> None:
    site.install("af-cloudy", "sunny = af_cloudy:PROVIDER", code={"af_cloudy": CLOUDY})
    with pytest.raises(PluginError, match="The backend 'sunny' calls itself 'cloudy'"):
        provider_named("sunny")


def test_who_names_no_platform_pays_for_none() -> None:
    code = (
        "import sys; from asyncflow.flow.decorators import parse_spec; parse_spec('retry:times=2');"
        "print('asyncflow.plugins' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_our_own_platforms_are_those_declared_and_found_without_a_look_at_what_is_installed(
    site: Site,
) -> None:
    site.install("af-other", "kubernetes = af_other:PROVIDER", code={"af_other": "PROVIDER = None"})

    assert {"batch", "kubernetes"} <= set(provider_names())
    assert [provider_named(name).name for name in ("batch", "kubernetes")] == ["batch", "kubernetes"]
    script = (
        "import sys; from asyncflow.backends.remote.registry import provider_named; provider_named('kubernetes'); "
        "sys.exit('importlib.metadata' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
