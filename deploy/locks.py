"""Checks that each lock is complete: everything that a pinned package requires is pinned, with the requested extras.

    python -m deploy.locks                                 the locks as they are
    python -m deploy.locks requirements.lock=OTHER.lock    another version of one of them

Reads files only. What each package requires is in deploy/lock_metadata.json, which `make lock` records.
"""

import json
import re
import sys
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import cast

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
METADATA = ROOT / "deploy/lock_metadata.json"

PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
"""Values of `sys_platform`, `platform_system` and `platform_machine` in markers."""

ENVIRONMENTS = [
    {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "os_name": "posix",
    }
    for python, (platform, system, machine) in product(PYTHONS, PLATFORMS)
]


@dataclass(frozen=True)
class Lock:
    """A lock, and the requirements that it was made from."""

    requirements: Path
    exclusions: Path | None = None
    beside: frozenset[str] = frozenset()
    """Direct requirements that are installed next to the lock, which holds only their dependencies."""

    @property
    def path(self) -> Path:
        return self.requirements.with_suffix(".lock")

    def direct(self) -> list[Requirement]:
        return list(_requirements(self.requirements))

    def pins(self, path: Path | None = None) -> list[Requirement]:
        """Return the packages of the lock, or of its version in `path`."""
        return [*_requirements(path or self.path), *(each for each in self.direct() if each.name in self.beside)]

    def excluded(self) -> set[tuple[str, str]]:
        """Return the pairs of a package and a requirement of it that the lock leaves out: lines of `name  # package:
        reason`."""
        text = self.exclusions.read_text() if self.exclusions else ""
        return {(package, name) for name, package in re.findall(r"^([\w-]+)  # ([\w-]+): \w", text, re.MULTILINE)}


LOCKS = [
    Lock(ROOT / "requirements-uv.txt"),
    Lock(ROOT / "requirements-preview.txt", ROOT / "deploy/lock_exclusions.txt"),
    Lock(ROOT / "requirements.txt", ROOT / "deploy/lock_exclusions.txt"),
    Lock(ROOT / "requirements-cutout.txt"),
    Lock(ROOT / "requirements-dev.txt", ROOT / "deploy/lock_exclusions_dev.txt", frozenset({"torch"})),
    Lock(ROOT / "deploy/requirements-ray.txt"),
    Lock(ROOT / "bench/clients/requirements.txt"),
]


def main() -> None:
    others = {ROOT / name: Path(other) for name, _, other in (word.partition("=") for word in sys.argv[1:])}
    metadata = recorded()
    found = [f"{lock.path.name}: {each}" for lock in LOCKS for each in problems(lock, metadata, others.get(lock.path))]
    sys.exit("\n".join(found) or 0)


def recorded() -> dict[str, list[str]]:
    """Return the requirements of each pinned package, by `name==version`."""
    return cast(dict[str, list[str]], json.loads(METADATA.read_text()))


def problems(lock: Lock, metadata: dict[str, list[str]], path: Path | None = None) -> list[str]:
    """Return a sentence for each package that a lock lacks on any supported Python and platform."""
    pins = lock.pins(path)
    if unknown := [key(pin) for pin in pins if key(pin) not in metadata]:
        return [f"{METADATA.name} does not know {name}: run `make lock`" for name in unknown]
    required = {key(pin): list(map(Requirement, metadata[key(pin)])) for pin in pins}
    excluded, found = lock.excluded(), dict[str, None]()
    for environment in ENVIRONMENTS:
        here = {canonicalize_name(pin.name): pin for pin in pins if applies(pin, environment)}
        asked = [(lock.requirements.name, each) for each in lock.direct() if applies(each, environment)]
        for pin in here.values():
            asked += [(key(pin), each) for each in required[key(pin)] if applies(each, environment, pin.extras)]
        for asker, each in asked:
            if (asker.partition("==")[0], name := canonicalize_name(each.name)) not in excluded:
                found |= dict.fromkeys(_lack(asker, each, here.get(name)))
    return list(found)


def _lack(asker: str, asked: Requirement, pin: Requirement | None) -> Iterator[str]:
    wish = f"{asker} requires {asked.name}{_brackets(asked.extras)}{asked.specifier}"
    if pin is None:
        yield f"{wish}, which is not pinned"
    elif not asked.specifier.contains(version(pin), prereleases=True):
        yield f"{wish}, but {key(pin)} is pinned"
    elif missing := asked.extras - pin.extras:
        yield f"{wish}, but {key(pin)} is pinned without {_brackets(missing)}"


def applies(asked: Requirement, environment: dict[str, str], extras: AbstractSet[str] = frozenset()) -> bool:
    """Return True if the marker holds in that environment, for a package installed with `extras`."""
    return asked.marker is None or any(asked.marker.evaluate({**environment, "extra": each}) for each in ("", *extras))


def key(pin: Requirement) -> str:
    return f"{canonicalize_name(pin.name)}=={version(pin)}"


def version(pin: Requirement) -> str:
    [specifier] = pin.specifier
    return specifier.version


def _brackets(extras: AbstractSet[str]) -> str:
    return f"[{','.join(sorted(extras))}]" if extras else ""


def _requirements(path: Path) -> Iterator[Requirement]:
    """Yield the requirements in a text file or a lock and in the files that it includes, without hashes."""
    for line in path.read_text().splitlines():
        if line.startswith("-r "):
            yield from _requirements(path.parent / line[3:])
        elif re.match(r"\w", line):
            yield Requirement(line.removesuffix("\\"))


if __name__ == "__main__":
    main()
