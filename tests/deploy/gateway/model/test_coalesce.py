"""Test that concurrent requests share a call, each with its own answer."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from bert_mlm_client import (
    Answer,
    ModelStatus,
    OverloadedError,
    Request,
    RequestError,
    SignatureNotFoundError,
    trace_context,
)

from deploy.gateway.model.coalesce import CoalescingTransport, merge

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def request(*ids: int, masks: Sequence[int] = (1,), signature: str = "fill_mask") -> Request:
    inputs = {
        "input_ids": np.array([ids], np.int32),
        "lengths": np.array([len(ids)], np.int32),
        "mask_positions": np.array([masks], np.int32),
    }
    return Request(signature, inputs, ("scores",))


class Model:
    """Answers with the sum of each row's tokens, and refuses rows with the token 13."""

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: BaseException | None = None
        self.cancelled = 0

    async def predict(self, request: Request, *, timeout: float) -> Answer:  # noqa: ASYNC109, ARG002  the transport's
        self.sent.append(request)
        self.asked.set()
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        ids = request.inputs["input_ids"]
        if (ids == 13).any():
            msg = "13 is unlucky"
            raise RequestError(msg)
        return Answer({"scores": ids.sum(axis=1).reshape(-1, 1, 1).astype(np.float32)}, 7)

    async def status(self, *, timeout: float) -> ModelStatus:  # noqa: ASYNC109  the transport's
        raise NotImplementedError

    async def close(self) -> None:
        pass

    @property
    def rows(self) -> list[int]:
        return [len(one.inputs["input_ids"]) for one in self.sent]


@pytest.fixture
async def model() -> Model:
    return Model()


async def ask(transport: CoalescingTransport, *requests: Request) -> list[float | BaseException]:
    asking = (transport.predict(one, timeout=5) for one in requests)
    answers = await asyncio.gather(*asking, return_exceptions=True)
    return [one if isinstance(one, BaseException) else float(one["scores"].item()) for one in answers]


async def test_requests_of_one_iteration_share_a_call_and_get_their_own_rows(model: Model) -> None:
    transport = CoalescingTransport(model)
    assert await ask(transport, request(1, 2, 3), request(5, 6), request(7, 8, 9)) == [6, 11, 24]
    assert model.rows == [3]
    answer = await transport.predict(request(4, 4), timeout=5)
    assert (answer["scores"].shape, answer.version) == ((1, 1, 1), 7)
    assert model.rows == [3, 1]


def test_padding_follows_the_signatures_contract() -> None:
    merged = merge([request(1, 2, 3, masks=(1, 2)), request(4, 5)]).inputs
    assert merged["input_ids"].tolist() == [[1, 2, 3], [4, 5, 0]]
    assert merged["lengths"].tolist() == [3, 2]
    assert merged["mask_positions"].tolist() == [[1, 2], [1, 1]]


async def test_only_similar_requests_share_a_call(model: Model) -> None:
    transport = CoalescingTransport(model)
    several = Request("fill_mask", {"input_ids": np.ones((2, 3), np.int32)}, ("scores",))
    asked = (request(*[1] * 100), request(1, 1), request(2, 2), request(3, 3, signature="explain"))
    both = [*(transport.predict(one, timeout=5) for one in asked), transport.predict(several, timeout=5)]
    await asyncio.gather(*both)
    assert sorted(model.rows) == [1, 1, 2, 2]


async def test_a_traced_request_keeps_a_call_of_its_own(model: Model) -> None:
    transport = CoalescingTransport(model)
    with trace_context(TRACEPARENT):
        traced = asyncio.create_task(transport.predict(request(1, 1), timeout=5))
    await asyncio.gather(traced, transport.predict(request(2, 2), timeout=5))
    assert model.rows == [1, 1]


async def test_an_invalid_request_fails_alone(model: Model) -> None:
    first, invalid, last = await ask(CoalescingTransport(model), request(1, 1), request(13), request(2, 2))
    assert (first, last) == (2, 4)
    assert isinstance(invalid, RequestError)
    assert model.rows == [3, 1, 1, 1]


@pytest.mark.parametrize("error", [OverloadedError("full"), SignatureNotFoundError("no such"), ValueError("a bug")])
async def test_each_caller_gets_an_error_of_its_own(model: Model, error: Exception) -> None:
    model.error = error
    found = await ask(CoalescingTransport(model), request(1, 1), request(2, 2))
    assert [(type(one), str(one)) for one in found] == [(type(error), str(error))] * 2
    assert found[0] is not found[1]


async def test_a_call_is_cancelled_when_all_its_callers_have_gone(model: Model) -> None:
    transport = CoalescingTransport(model)
    model.gate.clear()
    asking = [asyncio.create_task(transport.predict(request(number, 1), timeout=5)) for number in (1, 2)]
    await model.asked.wait()
    asking[0].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert model.cancelled == 0
    asking[1].cancel()
    await asyncio.gather(*asking, return_exceptions=True)
    await asyncio.sleep(0)
    assert model.cancelled == 1


async def test_who_has_gone_before_the_call_is_not_asked_for(model: Model) -> None:
    transport = CoalescingTransport(model)
    gone = asyncio.create_task(transport.predict(request(1, 1), timeout=5))
    await asyncio.sleep(0)
    gone.cancel()
    await ask(transport, request(2, 2))
    assert model.rows == [1]


async def test_a_closed_channel_cancels_the_callers(model: Model) -> None:
    model.error = asyncio.CancelledError()  # as gRPC raises
    with pytest.raises(asyncio.CancelledError):
        await CoalescingTransport(model).predict(request(1, 1), timeout=5)
