"""Cancel the work for a disconnected client.

The workbench sends a request with every key and drops the previous one.
"""

import asyncio
from collections.abc import Awaitable

from starlette.types import Scope

from deploy.http import ON_DISCONNECT


async def run_while_connected(work: Awaitable[None], scope: Scope) -> None:
    """Run the work until the client disconnects.

    It is then cancelled.

    Args:
        work: answers the request; cancelling it also cancels the call to the model server.
        scope: the ASGI scope of the request, whose body must have been read.
    """
    task = asyncio.current_task()
    assert task is not None  # noqa: S101  a coroutine runs in one
    is_gone = False

    def cancel() -> None:
        nonlocal is_gone
        is_gone = True
        task.cancel()

    # The connection calls it. Waiting for the disconnect in a task of its own would cost a tenth of a short request.
    scope[ON_DISCONNECT] = cancel
    try:
        await work
    except asyncio.CancelledError:
        if not is_gone:
            raise
        task.uncancel()
    finally:
        del scope[ON_DISCONNECT]
