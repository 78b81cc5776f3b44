"""Wait until a condition holds."""

import asyncio
import time
from collections.abc import Callable

_POLL_S = 0.01


def wait_until(
    condition: Callable[[], object],
    otherwise: str | Callable[[], str] = "the condition did not come to hold",
    *,
    within_s: float = 30,
) -> None:
    """Poll a condition; fail the test after a time limit.

    Args:
        condition: what must become true.
        otherwise: the failure's message, or a function that returns it.
        within_s: the time limit, generous because the machine may be busy.
    """
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, otherwise if isinstance(otherwise, str) else otherwise()
        time.sleep(_POLL_S)


async def async_wait_until(condition: Callable[[], object], *, within_s: float = 30) -> None:
    """Poll a condition while the event loop runs."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - conditions of several kinds, without an event
            await asyncio.sleep(_POLL_S)
