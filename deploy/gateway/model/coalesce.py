"""Send concurrent single-sentence requests to the model server together.

A call over gRPC costs both processes together half a millisecond of CPU time, as much as a small model's answer. Under
load, several sentences reach the client in one iteration of the event loop. Short ones share a request, and so do
longer ones of similar length, as the sentences of one caller do (`bert_mlm_client.batching`). None waits for
others: a sentence that is alone in its iteration is sent alone.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from copy import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bert_mlm_client import ModelStatus, RequestError
from bert_mlm_client.batching import batches
from bert_mlm_client.transport import Answer, AsyncTransport, Request, trace_headers
from numpy.typing import NDArray

Array = NDArray[Any]

SHORT = 64
"""The length up to which sentences share a call regardless of their padding. The graphs compute none of it except in
attention, whose share is small in short sentences."""

Key = tuple[str, tuple[str, ...], float]


@dataclass(slots=True, eq=False)
class _Waiting:
    """A request and its future answer."""

    request: Request
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def width(self) -> int:
        width: int = self.request.inputs["input_ids"].shape[1]
        return width


class CoalescingTransport:
    """Wrap a transport to a model server."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport
        self._waiting: dict[Key, list[_Waiting]] = {}
        self._sending: set[asyncio.Task[None]] = set()

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109  the transport's deadline
        """Send a request, with others if possible (see `AsyncTransport.predict`)."""
        # One call has one trace, so that a traced request is sent alone.
        if len(request.inputs.get("input_ids", ())) != 1 or trace_headers():
            return await self._transport.predict(request, timeout=timeout)
        key = request.signature, request.outputs, timeout
        if key not in self._waiting:
            self._waiting[key] = []
            asyncio.get_running_loop().call_soon(self._flush, key)
        waiting = _Waiting(request)
        self._waiting[key].append(waiting)
        return await waiting.answer

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  the transport's deadline
        """Return the model's status (see `AsyncTransport.status`)."""
        return await self._transport.status(timeout=timeout)

    async def close(self) -> None:
        """Close the wrapped transport."""
        await self._transport.close()

    def _flush(self, key: Key) -> None:
        """Send the waiting requests of this event-loop iteration."""
        waiting = [one for one in self._waiting.pop(key) if not one.answer.done()]
        short = [one for one in waiting if one.width <= SHORT]
        long = [one for one in waiting if one.width > SHORT]
        groups = [[short[index] for index in group] for group in batches([SHORT] * len(short))]
        groups += [[long[index] for index in group] for group in batches([one.width for one in long])]
        for group in groups:
            self._start(group, key[2])

    def _start(self, group: Sequence[_Waiting], seconds: float) -> None:
        task = asyncio.create_task(self._send(group, seconds), context=Context())
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        for one in group:
            one.answer.add_done_callback(lambda _answer: self._cancel_if_abandoned(task, group))

    @staticmethod
    def _cancel_if_abandoned(task: asyncio.Task[None], group: Sequence[_Waiting]) -> None:
        if all(one.answer.cancelled() for one in group):
            task.cancel()

    async def _send(self, group: Sequence[_Waiting], seconds: float) -> None:
        try:
            answer = await self._transport.predict(merge([one.request for one in group]), timeout=seconds)
        except asyncio.CancelledError:  # all callers have gone, or the channel was closed
            for one in group:
                one.answer.cancel()
            raise
        except Exception as error:  # noqa: BLE001  every exception goes to the callers
            if isinstance(error, RequestError) and len(group) > 1:  # perhaps only one of them is invalid
                for one in group:
                    self._start([one], seconds)
            else:
                _fail(group, error)
        else:
            _succeed(group, answer)


def _succeed(group: Sequence[_Waiting], answer: Answer) -> None:
    """Give each request its row."""
    for row, one in enumerate(group):
        if not one.answer.done():
            outputs = {name: array[row : row + 1] for name, array in answer.items()}
            one.answer.set_result(Answer(outputs, answer.version))


def _fail(group: Sequence[_Waiting], error: Exception) -> None:
    for one in group:
        if not one.answer.done():
            one.answer.set_exception(copy(error))  # the client adds to it


def merge(requests: Sequence[Request]) -> Request:
    """Return one request with the rows of several single-row requests.

    They are padded to the longest by the signatures' contract.
    """
    first = requests[0]
    if len(requests) == 1:
        return first
    inputs = {name: _stack([one.inputs[name] for one in requests], pads=name == "input_ids") for name in first.inputs}
    return Request(first.signature, inputs, first.outputs)


def _stack(arrays: Sequence[Array], *, pads: bool) -> Array:
    if arrays[0].ndim == 1:
        return np.concatenate(arrays)
    stacked = np.zeros((len(arrays), max(array.shape[1] for array in arrays)), arrays[0].dtype)
    for row, array in zip(stacked, arrays, strict=True):
        length = array.shape[1]
        row[:length] = array[0]
        if not pads:  # 0 is [PAD], and a repeated position or candidate is answered twice
            row[length:] = array[0, -1]
    return stacked
