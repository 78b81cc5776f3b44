"""Fixtures of the log's tests."""

import time
from collections.abc import Callable

import pytest

Until = Callable[[Callable[[], bool]], None]


@pytest.fixture(scope="session")
def until() -> Until:
    """Return a function that waits up to 20 seconds for a condition."""

    def wait(condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "it did not come true within 20 seconds"
            time.sleep(0.01)

    return wait
