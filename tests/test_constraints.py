"""constraints.txt pins every dependency of every group, and nothing else is in it."""

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
GROUPS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
CLIENT = tomllib.loads((ROOT / "client/pyproject.toml").read_text(encoding="utf-8"))["project"]
PINS = [
    Requirement(line)
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
PINNED = {canonicalize_name(pin.name): pin for pin in PINS}
DIRECT = [
    *(Requirement(entry) for entries in GROUPS.values() for entry in entries if isinstance(entry, str)),
    *map(Requirement, CLIENT["dependencies"]),
    *(Requirement(entry) for entries in CLIENT["optional-dependencies"].values() for entry in entries),
]


def test_every_line_is_an_exact_version_without_an_address() -> None:
    assert all(re.fullmatch(r"==[\w.]+", str(pin.specifier)) for pin in PINS)
    assert not [pin.name for pin in PINS if pin.url or pin.extras]
    assert len(PINNED) == len(PINS)


@pytest.mark.parametrize("wanted", DIRECT, ids=str)
def test_a_dependency_of_a_group_is_pinned_where_it_is_installed(wanted: Requirement) -> None:
    pin = PINNED[canonicalize_name(wanted.name)]
    [version] = pin.specifier
    assert wanted.specifier.contains(version.version)
    assert pin.marker is None or pin.marker == wanted.marker


def test_what_the_dependencies_need_is_pinned() -> None:
    needed = {
        name for wanted in DIRECT if wanted.marker is None or wanted.marker.evaluate() for name in closure(wanted)
    }
    assert len(needed) > len(DIRECT)
    assert needed <= PINNED.keys()


def closure(wanted: Requirement, seen: set[str] | None = None) -> set[str]:
    """Return the names of a package and of all that it needs here, as far as they are installed."""
    seen = set() if seen is None else seen
    seen.add(canonicalize_name(wanted.name))
    for each in _requirements(wanted):
        if canonicalize_name(each.name) not in seen:
            closure(each, seen)
    return seen


def _requirements(package: Requirement) -> Iterator[Requirement]:
    try:
        listed = requires(package.name) or []
    except PackageNotFoundError:  # of another environment, such as PyTorch's
        return
    for each in map(Requirement, listed):
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in ("", *package.extras)):
            yield each
