"""Stop working on an answer when nobody waits for it any more: who types asks anew with every key."""

import asyncio
from collections.abc import Awaitable

from starlette.types import Receive


async def run_while_connected(work: Awaitable[None], receive: Receive) -> None:
    """Do the work, or what of it there is time for until the client goes away.

    Args:
        work: answers the request; with it the call to the model server is cancelled, which then need not compute.
        receive: where the client's going is told; its body has been read before.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine runs in one
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        while (await receive())["type"] != "http.disconnect":
            pass
        is_gone = True
        task.cancel()

    watching = asyncio.create_task(watch())
    try:
        await work
    except asyncio.CancelledError:
        if not is_gone:
            raise
        task.uncancel()
    finally:
        watching.cancel()
