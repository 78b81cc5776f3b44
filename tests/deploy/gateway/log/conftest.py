"""Fixtures of the log's tests."""

from collections.abc import Callable

import pytest

from tests.support.waiting import wait_until

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="session")
def until() -> Until:
    return wait_until
