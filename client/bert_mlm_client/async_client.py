"""Provide the asyncio client."""
# ruff: noqa: ASYNC109  a timeout here is one request's deadline, the same argument in both clients

import asyncio
import os
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike
from types import TracebackType
from typing import NamedTuple, Self, overload

from bert_mlm_client import exchanges
from bert_mlm_client.base_client import (
    BaseClient,
    check_moved,
    choose_question,
    explain_question,
    fill_question,
    listed,
    pairs_of,
    versions_of,
)
from bert_mlm_client.drive import drive_async
from bert_mlm_client.errors import UsageError
from bert_mlm_client.exchanges import Exchange, Method, Result, TokenizerState, Words, check_candidates, check_texts
from bert_mlm_client.in_flight import send_all_async
from bert_mlm_client.results import Explanation, Features, Filling, ModelStatus, Prediction, Similarity
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import Answer, AsyncTransport, Request, Retry, open_async_transport
from bert_mlm_client.transport.failures import closed


class _LoopState(NamedTuple):
    """Event loop and vocabulary lock in one process."""

    loop: asyncio.AbstractEventLoop
    vocabulary_lock: asyncio.Lock


class AsyncFillMask(BaseClient):
    """Query a masked language model from asyncio.

    Arguments, methods and answers are those of `FillMask`. A client belongs to the event loop of its first request.

    Example:
        >>> async with AsyncFillMask("grpc://127.0.0.1:8500") as client:
        ...     await client.fill("中国的首[MASK]是北京。", top_k=1)
        [Prediction(score=0.99, token=6963, token_str='都', sequence='中国的首都是北京。')]
    """

    def __init__(
        self,
        url: str | Sequence[str] | AsyncTransport,
        model: str = "bert_mlm",
        version: int | None = None,
        vocab: str | PathLike[str] | None = None,
        timeout: float = 10.0,
        *,
        retry: Retry | None = Retry(),  # noqa: B008  frozen, so that all may share it
    ) -> None:
        super().__init__(url, model, version, vocab, timeout)
        self._transport = open_async_transport(url, model=model, version=version, retry=retry)
        self._states: dict[int, _LoopState] = {}

    @overload
    async def fill(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Prediction]: ...
    @overload
    async def fill(
        self,
        texts: Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Prediction]]: ...
    async def fill(
        self,
        texts: str | Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
        joint: object = None,
        targets: object = None,
    ) -> list[Prediction] | list[list[Prediction]]:
        """Return the best tokens for each text (see `FillMask.fill`)."""
        check_moved(joint, targets)
        question = fill_question(
            exchanges.fill, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = await self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    @overload
    async def fill_masks(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Prediction]]: ...
    @overload
    async def fill_masks(
        self,
        texts: Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[list[Prediction]]]: ...
    async def fill_masks(
        self,
        texts: str | Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Prediction]] | list[list[list[Prediction]]]:
        """Return the best tokens for each mask (see `FillMask.fill_masks`)."""
        question = fill_question(
            exchanges.fill_masks, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = await self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    @overload
    async def fill_words(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Filling]: ...
    @overload
    async def fill_words(
        self,
        texts: Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Filling]]: ...
    async def fill_words(
        self,
        texts: str | Sequence[str],
        top_k: int = 5,
        *,
        skip_punctuation: bool = False,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Filling] | list[list[Filling]]:
        """Return the best words for all masks together (see `FillMask.fill_words`)."""
        question = fill_question(
            exchanges.fill_words, listed(texts), top_k, skip_punctuation=skip_punctuation, truncate=truncate
        )
        answers = await self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    @overload
    async def choose(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        candidates: Sequence[Words],
        top_k: int = 5,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Filling]: ...
    @overload
    async def choose(
        self,
        texts: Sequence[str],
        candidates: Sequence[Words],
        top_k: int = 5,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Filling]]: ...
    async def choose(
        self,
        texts: str | Sequence[str],
        candidates: Sequence[Words],
        top_k: int = 5,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Filling] | list[list[Filling]]:
        """Return the best of given words (see `FillMask.choose`)."""
        question = choose_question(listed(texts), candidates, top_k, truncate=truncate)
        answers = await self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    async def score(
        self, text: str, candidates: Sequence[Words], *, truncate: bool = False, timeout: float | None = None
    ) -> list[Filling]:
        """Score words for the gaps of a text (see `FillMask.score`)."""
        check_texts([text])
        words = check_candidates(candidates)
        [answer] = await self._ask(
            lambda tokenizer: exchanges.score(tokenizer, [text], words, truncate=truncate), timeout
        )
        return answer

    @overload
    async def similarity(self, a: str, b: str, *, timeout: float | None = None) -> Similarity: ...
    @overload
    async def similarity(
        self, a: Sequence[tuple[str, str]], b: None = None, *, timeout: float | None = None
    ) -> list[Similarity]: ...
    async def similarity(
        self, a: str | Sequence[tuple[str, str]], b: str | None = None, *, timeout: float | None = None
    ) -> Similarity | list[Similarity]:
        """Return the similarity of texts (see `FillMask.similarity`)."""
        pairs = pairs_of(a, b)
        answers = await self._ask(lambda tokenizer: exchanges.similarity(tokenizer, pairs), timeout)
        return answers if b is None else answers[0]

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
        check_texts(asked, masks=False)
        answers = await self._ask(lambda tokenizer: exchanges.features(tokenizer, asked, truncate=truncate), timeout)
        return answers[0] if isinstance(texts, str) else answers

    async def explain(
        self,
        text: str,
        *,
        target: str | Sequence[str] | None = None,
        joint: bool = False,
        method: Method = "occlusion",
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Explanation]:
        """Explain an answer (see `FillMask.explain`)."""
        question = explain_question(text, target=target, joint=joint, method=method, truncate=truncate)
        return await self._ask(question, timeout)

    async def tokenizer(self, *, timeout: float | None = None) -> Tokenizer:
        """Return the server's tokenizer (see `FillMask.tokenizer`)."""
        return (await self._load_state(timeout)).tokenizer

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

    async def _load_state(self, timeout: float | None) -> TokenizerState:
        async with self._current_state().vocabulary_lock:
            if self._tokenizer_state is None:
                answered: set[int] = set()
                self._tokenizer_state = await self._run(exchanges.load_state(self._vocab, answered), answered, timeout)
            return self._tokenizer_state

    async def _ask(self, question: Callable[[Tokenizer], Exchange[Result]], timeout: float | None) -> Result:
        known = await self._load_state(timeout)
        answered: set[int] = set()
        result, found = await self._run(
            exchanges.ask_current(question, known, self._vocab, answered), answered, timeout
        )
        if found is not known:
            self._tokenizer_state = found
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
                "an AsyncFillMask belongs to the event loop of its first request, and this is another; create one in "
                "each"
            )
            raise UsageError(msg)
        return state
