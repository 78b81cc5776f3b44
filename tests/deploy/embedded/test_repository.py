"""Test the lookup of a request's version."""

from pathlib import Path

import pytest

from deploy.embedded.errors import Code, ServingError
from deploy.embedded.repository import Repository, Servable, State, Version
from tests.support.engines import FakeEngine, FakeRunner


@pytest.fixture
def repository() -> Repository:
    """A model m: 1 and 2 are available, 3 could not be loaded, 0 has been unloaded."""
    repository = Repository()
    versions = repository.versions["m"] = {number: Version(number, Path(f"/m/{number}")) for number in (2, 0, 3, 1)}
    for number in (1, 2):
        versions[number].servable = Servable("m", number, FakeEngine(), FakeRunner())
        versions[number].state = State.AVAILABLE
    versions[0].state = versions[3].state = State.END
    versions[3].error = ServingError(Code.DATA_LOSS, "no graph")
    repository.labels = {"m": {"stable": 1, "canary": 3}}
    return repository


def test_the_latest_available_version_answers(repository: Repository) -> None:
    assert repository.find("m").version == 2


def test_a_version_is_found_by_number_and_by_label(repository: Repository) -> None:
    assert repository.find("m", 1).version == 1
    assert repository.find("m", label="stable").version == 1


@pytest.mark.parametrize(
    ("spec", "code", "text"),
    [
        (("",), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (("", None, "stable"), Code.INVALID_ARGUMENT, "ModelSpec has no name specified."),
        (("none",), Code.NOT_FOUND, "Servable not found for request: Latest(none)"),
        (("m", 3), Code.NOT_FOUND, "Servable not found for request: Specific(m, 3)"),
        (("m", 0), Code.NOT_FOUND, "Servable not found for request: Specific(m, 0)"),
        (("m", None, "canary"), Code.NOT_FOUND, "Servable not found for request: Specific(m, 3)"),
        (("m", None, "none"), Code.INVALID_ARGUMENT, "Unrecognized servable version label: none"),
        (("none", None, "stable"), Code.INVALID_ARGUMENT, "Unrecognized servable version label: stable"),
    ],
)
def test_what_is_not_served_is_not_found(repository: Repository, spec: tuple[str], code: Code, text: str) -> None:
    with pytest.raises(ServingError) as missing:
        repository.find(*spec)
    assert (missing.value.code, missing.value.message) == (code, text)


def test_status_lists_every_version_there_was_with_the_newest_first(repository: Repository) -> None:
    states = [(version.number, version.state) for version in repository.status("m")]
    assert states == [(3, State.END), (2, State.AVAILABLE), (1, State.AVAILABLE), (0, State.END)]
    (one,) = repository.status("m", 3)
    assert one.error is not None
    assert one.error.text == "DATA_LOSS: no graph"


@pytest.mark.parametrize(
    ("spec", "text"),
    [(("m", 7), "Could not find version 7 of model m"), (("none",), "Could not find any versions of model none")],
)
def test_status_of_what_never_was_is_not_found(repository: Repository, spec: tuple[str], text: str) -> None:
    with pytest.raises(ServingError) as missing:
        repository.status(*spec)
    assert (missing.value.code, missing.value.message) == (Code.NOT_FOUND, text)
