"""Send the requests of an exchange concurrently."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from contextvars import copy_context

from bert_mlm_client.transport.base import Answer, Request

MAX_IN_FLIGHT = 8
"""Maximum number of an exchange's requests in flight."""


def send_all(requests: Sequence[Request], send: Callable[[Request], Answer], workers: Executor) -> list[Answer]:
    """Send the requests from threads and return their answers.

    Args:
        requests: the requests.
        send: sends one of them.
        workers: the threads, MAX_IN_FLIGHT of them.

    Returns:
        The answers, in the requests' order.

    Raises:
        BertMlmError: the first error.
    """
    if len(requests) == 1:
        return [send(requests[0])]
    contexts = [copy_context() for _ in requests]  # the trace; one context cannot be entered by two threads
    return list(workers.map(lambda context, request: context.run(send, request), contexts, requests))


async def send_all_async(requests: Sequence[Request], send: Callable[[Request], Awaitable[Answer]]) -> list[Answer]:
    """Send the requests from tasks (see `send_all`).

    Raises:
        BertMlmError: the first error, after which the other tasks are cancelled.
    """
    if len(requests) == 1:
        return [await send(requests[0])]
    places = asyncio.Semaphore(MAX_IN_FLIGHT)

    async def send_in_turn(request: Request) -> Answer:
        async with places:
            return await send(request)

    tasks = [asyncio.create_task(send_in_turn(request)) for request in requests]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
