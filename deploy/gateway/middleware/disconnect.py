"""Cancel the work for a disconnected client.

The workbench sends a request with every key and drops the previous one.
"""

import asyncio
from collections.abc import Awaitable

from starlette.types import Receive


async def run_while_connected(work: Awaitable[None], receive: Receive) -> None:
    """Run the work until the client disconnects.

    It is then cancelled.

    Args:
        work: answers the request; cancelling it also cancels the call to the model server.
        receive: the ASGI channel that reports the disconnect; the body must have been read.
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
