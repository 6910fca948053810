"""The installed packages are exactly those that were reviewed."""

import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.lock_metadata import applying
from deploy.locks import LOCKS, Lock, key, problems, recorded
from schemas.version import VERSION
from testing.patience import WAIT_SECONDS

ROOT = Path(__file__).resolve().parent.parent
PREVIEW = next(lock for lock in LOCKS if lock.requirements.name == "requirements-preview.txt")
EACH_LOCK = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.path.name)


@EACH_LOCK
def test_every_requirement_is_pinned(lock: Lock) -> None:
    assert all([each.operator for each in pin.specifier] == ["=="] for pin in lock.direct())


@EACH_LOCK
def test_every_pin_has_a_hash_and_no_address(lock: Lock) -> None:
    text = lock.path.read_text()
    entries = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
    assert entries
    assert all("--hash=sha256:" in entry for entry in entries)
    assert "://" not in text


@EACH_LOCK
def test_a_lock_is_complete(lock: Lock) -> None:
    assert problems(lock, recorded()) == []


@pytest.mark.parametrize(
    "lock", [lock for lock in LOCKS if "bench" not in lock.path.parts], ids=lambda lock: lock.path.name
)
def test_tests_run_with_the_versions_that_are_deployed(lock: Lock) -> None:
    development = next(each for each in LOCKS if each.path.name == "requirements-dev.lock")
    tested = {key(pin) for pin in development.pins()}
    names = {pin.name for pin in development.pins()}
    assert {key(pin) for pin in lock.pins() if pin.name in names} <= tested


METADATA = {
    "cloud==1.0": ["pydantic[email]>=2.7.4"],
    "pydantic==2.14.3": ["core<3", "typing; python_version < '3.12'", "mail; extra == 'email'"],
    "core==2.1": [],
    "core==3.0": [],
    "mail==1": [],
    "typing==1": [],
}


class TestALockThatIsNotComplete:
    def found(self, folder: Path, *pins: str, exclusions: str = "") -> list[str]:
        (folder / "requirements.txt").write_text("# the cloud\ncloud==1.0\n")
        (folder / "requirements.lock").write_text("".join(f"{pin} \\\n    --hash=sha256:0\n" for pin in pins))
        (folder / "exclusions.txt").write_text(exclusions)
        return problems(Lock(folder / "requirements.txt", folder / "exclusions.txt"), METADATA)

    def test_one_that_has_all_has_no_problem(self, tmp_path: Path) -> None:
        assert not self.found(tmp_path, "cloud==1.0", "pydantic[email]==2.14.3", "core==2.1", "mail==1", "typing==1")

    def test_an_extra_that_no_pin_names_is_found(self, tmp_path: Path) -> None:
        found = self.found(tmp_path, "cloud==1.0", "pydantic==2.14.3", "core==2.1", "mail==1", "typing==1")
        assert found == ["cloud==1.0 requires pydantic[email]>=2.7.4, but pydantic==2.14.3 is pinned without [email]"]

    def test_what_an_extra_requires_is_required(self, tmp_path: Path) -> None:
        found = self.found(tmp_path, "cloud==1.0", "pydantic[email]==2.14.3", "core==2.1", "typing==1")
        assert found == ["pydantic==2.14.3 requires mail, which is not pinned"]

    def test_another_version_is_found(self, tmp_path: Path) -> None:
        found = self.found(tmp_path, "cloud==1.0", "pydantic[email]==2.14.3", "core==3.0", "mail==1", "typing==1")
        assert found == ["pydantic==2.14.3 requires core<3, but core==3.0 is pinned"]

    def test_what_one_python_needs_is_pinned_for_that_python(self, tmp_path: Path) -> None:
        typing = "typing==1 ; python_full_version >= '3.12'"
        found = self.found(tmp_path, "cloud==1.0", "pydantic[email]==2.14.3", "core==2.1", "mail==1", typing)
        assert found == ["pydantic==2.14.3 requires typing, which is not pinned"]

    def test_a_requirement_that_was_made_no_pin_is_found(self, tmp_path: Path) -> None:
        assert self.found(tmp_path, "core==2.1") == ["requirements.txt requires cloud==1.0, which is not pinned"]

    def test_what_is_left_out_for_a_reason_may_miss(self, tmp_path: Path) -> None:
        pins = ("cloud==1.0", "pydantic[email]==2.14.3", "core==2.1", "typing==1")
        assert not self.found(tmp_path, *pins, exclusions="mail  # pydantic: no mail is sent\n")
        assert self.found(tmp_path, *pins, exclusions="mail  # cloud: no mail is sent\n"), "another asks for it"
        assert self.found(tmp_path, *pins, exclusions="mail\n"), "no reason"

    def test_a_package_that_nobody_looked_at_is_found(self, tmp_path: Path) -> None:
        assert "new==1" in self.found(tmp_path, "new==1")[0]


def test_what_is_recorded_of_a_package_is_what_its_installation_says() -> None:
    known = recorded()
    pins = {key(pin): pin for lock in LOCKS for pin in lock.pins()}
    installed = {f"{canonicalize_name(each.name)}=={each.version}": each.requires or [] for each in distributions()}
    both = known.keys() & installed.keys()
    assert len(both) > 100
    for name in both:
        extras = {extra for lock in LOCKS for pin in lock.pins() if key(pin) == name for extra in pin.extras}
        told = applying(Requirement(f"{pins[name].name}[{','.join(extras)}]"), installed[name])
        assert sorted(map(str, map(Requirement, told))) == sorted(map(str, map(Requirement, known[name]))), name


@EACH_LOCK
def test_every_exclusion_has_a_reason_and_is_needed(lock: Lock) -> None:
    lines = lock.exclusions.read_text().splitlines() if lock.exclusions else []
    named = [line for line in lines if not line.startswith("#")]
    assert len(lock.excluded()) == len(named)
    asked = {
        (key(pin).partition("==")[0], Requirement(text).name) for pin in lock.pins() for text in recorded()[key(pin)]
    }
    assert {(package, canonicalize_name(name)) for package, name in asked} >= lock.excluded()


LEFT_OUT = "email_validator fastapi_cli InquirerPy itsdangerous opentelemetry.sdk opentelemetry.exporter"
LEFT_OUT += " prettytable pydantic_extra_types watchdog"


def test_the_worker_starts_without_what_is_left_out(tmp_path: Path) -> None:
    block = f"import sys; sys.modules |= dict.fromkeys('{LEFT_OUT}'.split())"
    start = "import rp_handler, server, runpod.serverless.modules.rp_fastapi, runpod.serverless.modules.rp_scale"
    subprocess.run([sys.executable, "-c", f"{block}; {start}"], cwd=ROOT, check=True, timeout=WAIT_SECONDS)


def test_the_project_installed_by_its_pyproject_asks_for_the_same(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "requirements-preview.txt", "schemas/version.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    build = "from setuptools import build_meta; print(build_meta.prepare_metadata_for_build_wheel('.'))"
    done = subprocess.run(
        [sys.executable, "-c", build], cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_SECONDS, check=True
    )
    built = Distribution.at(tmp_path / done.stdout.splitlines()[-1])
    assert built.version == VERSION
    assert set(map(str, map(Requirement, built.requires or ()))) == {str(pin) for pin in PREVIEW.direct()}
