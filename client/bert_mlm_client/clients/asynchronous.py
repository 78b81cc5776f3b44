"""Provide the base class of the asyncio clients."""
# ruff: noqa: ASYNC109  a timeout here is one request's deadline, the same argument in both clients

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from types import TracebackType
from typing import NamedTuple, Self, overload

from bert_mlm_client import exchanges
from bert_mlm_client.clients.base import BaseClient, listed, versions_of
from bert_mlm_client.drive import drive_async
from bert_mlm_client.errors import UsageError
from bert_mlm_client.exchanges import Exchange, Model, ModelState, Result
from bert_mlm_client.in_flight import send_all_async
from bert_mlm_client.results import Features, ModelStatus
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import Answer, AsyncTransport, Request, Retry, open_async_transport
from bert_mlm_client.transport.failures import closed


class _LoopState(NamedTuple):
    """Event loop and vocabulary lock in one process."""

    loop: asyncio.AbstractEventLoop
    vocabulary_lock: asyncio.Lock


class AsyncClient(BaseClient):
    """Share connections, tokenizer and vectors between the asyncio clients.

    A client belongs to the event loop of its first request.
    """

    def __init__(
        self,
        url: str | Sequence[str] | AsyncTransport,
        model: str,
        version: int | None,
        vocab: str | PathLike[str] | None,
        timeout: float,
        *,
        retry: Retry | None,
    ) -> None:
        super().__init__(url, model, version, vocab, timeout)
        self._transport = open_async_transport(url, model=model, version=version, retry=retry)
        self._states: dict[int, _LoopState] = {}

    @overload
    async def features(self, texts: str, *, truncate: bool = False, timeout: float | None = None) -> Features: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str]
    @overload
    async def features(
        self, texts: Sequence[str], *, truncate: bool = False, timeout: float | None = None
    ) -> list[Features]: ...
    async def features(
        self, texts: str | Sequence[str], *, truncate: bool = False, timeout: float | None = None
    ) -> Features | list[Features]:
        """Return the vectors of texts (see `FillMask.features`)."""
        asked = listed(texts)
        exchanges.check_texts(asked, masks=False)
        answers = await self._ask(lambda model: exchanges.features(model.tokenizer, asked, truncate=truncate), timeout)
        return answers[0] if isinstance(texts, str) else answers

    async def tokenizer(self, *, timeout: float | None = None) -> Tokenizer:
        """Return the server's tokenizer (see `FillMask.tokenizer`)."""
        return (await self._load_state(timeout)).model.tokenizer

    async def model_status(self, *, timeout: float | None = None) -> ModelStatus:
        """Return the status of the model's versions."""
        self._current_state()
        with self._located():
            return await self._transport.status(timeout=self._seconds(timeout))

    async def close(self) -> None:
        """Close the connections.

        Calls in flight raise UsageError.
        """
        self._current_state()
        self._is_closed = True
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _load_state(self, timeout: float | None) -> ModelState:
        async with self._current_state().vocabulary_lock:
            if self._model_state is None:
                answered: set[int] = set()
                self._model_state = await self._run(exchanges.load_state(self._vocab, answered), answered, timeout)
            return self._model_state

    async def _ask(self, question: Callable[[Model], Exchange[Result]], timeout: float | None) -> Result:
        known = await self._load_state(timeout)
        answered: set[int] = set()
        result, found = await self._run(self._current_answer(question, known, answered), answered, timeout)
        if found is not known:
            self._model_state = found
        return result

    async def _run(self, exchange: Exchange[Result], answered: set[int], timeout: float | None) -> Result:
        """Run an exchange and record the answering versions."""
        send = partial(self._transport.predict, timeout=self._seconds(timeout))

        async def perform(requests: Sequence[Request]) -> Sequence[Answer]:
            answers = await send_all_async(requests, send)
            answered.update(versions_of(answers))
            return answers

        try:
            with self._located():
                return await drive_async(exchange, perform)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            # gRPC cancelled it, because its channel was closed.
            if self._is_closed and task is not None and not task.cancelling():
                raise closed() from error
            raise

    def _current_state(self) -> _LoopState:
        """Return the client's state in this process.

        Raises:
            UsageError: the event loop is not that of the client's first request.
        """
        loop = asyncio.get_running_loop()
        state = self._states.get(os.getpid()) or self._states.setdefault(os.getpid(), _LoopState(loop, asyncio.Lock()))
        if state.loop is not loop:
            msg = (
                f"an {type(self).__name__} belongs to the event loop of its first request, and this is another; create "
                "one in each"
            )
            raise UsageError(msg)
        return state
