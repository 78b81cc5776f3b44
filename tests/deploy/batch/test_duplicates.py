"""Duplicate ids."""

import pytest

from deploy.batch import duplicates
from deploy.batch.duplicates import DuplicateFinder, check_suspects
from deploy.batch.errors import BatchError


def suspects(*ids: int | str) -> frozenset[int]:
    finder = DuplicateFinder()
    for number, one in enumerate(ids):
        finder.add(f"a:{number}", one)
    return finder.suspects()


def test_unique_ids_have_no_suspects() -> None:
    assert suspects() == suspects("7", "07", "007", "\ud800") == frozenset()
    assert len(suspects(1, 2, 3, 2, 3, 3)) == 2


def test_equal_digests_of_different_ids_are_no_duplicates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "_digest", len)
    found = suspects("aa", "b", "cc")
    assert found == {2}
    check_suspects(found, [("x:1", "aa"), ("x:2", "b"), ("x:3", "cc")])
    with pytest.raises(BatchError, match="the id 'aa' is in x:1 and in x:3"):
        check_suspects(found, [("x:1", "aa"), ("x:2", "b"), ("x:3", "aa")])
