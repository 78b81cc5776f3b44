"""Carry out an exchange: send what it yields, give it the answers, return its result."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context

from bert_mlm_client.errors import BertMlmError
from bert_mlm_client.exchanges import Exchange, Result
from bert_mlm_client.transport.base import Answer, Request

MAX_IN_FLIGHT = 8
"""How many requests of an exchange are under way at once."""


def drive(exchange: Exchange[Result], send: Callable[[Request], Answer], workers: Executor | None = None) -> Result:
    """Carry an exchange's requests, several at once from threads.

    Args:
        exchange: what to carry out.
        send: sends one request and returns its answer, or raises a BertMlmError.
        workers: the threads; None makes some for this exchange, which costs more than to keep them for all.
    """
    if workers is None:
        with ThreadPoolExecutor(MAX_IN_FLIGHT) as own:
            return drive(exchange, send, own)
    try:
        requests = next(exchange)
        while True:
            try:
                answers = _send_all(requests, send, workers)
            except BertMlmError as error:
                requests = exchange.throw(error)
            else:
                requests = exchange.send(answers)
    except StopIteration as stop:
        result: Result = stop.value
        return result


def _send_all(requests: Sequence[Request], send: Callable[[Request], Answer], workers: Executor) -> list[Answer]:
    if len(requests) == 1:
        return [send(requests[0])]
    contexts = [copy_context() for _ in requests]  # the trace; one context cannot be entered by two threads
    return list(workers.map(lambda context, request: context.run(send, request), contexts, requests))


async def drive_async(exchange: Exchange[Result], send: Callable[[Request], Awaitable[Answer]]) -> Result:
    """Carry an exchange's requests, several at once as tasks."""
    try:
        requests = next(exchange)
        while True:
            try:
                answers = await _send_all_async(requests, send)
            except BertMlmError as error:
                requests = exchange.throw(error)
            else:
                requests = exchange.send(answers)
    except StopIteration as stop:
        result: Result = stop.value
        return result


async def _send_all_async(requests: Sequence[Request], send: Callable[[Request], Awaitable[Answer]]) -> list[Answer]:
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
