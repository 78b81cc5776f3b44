"""Provide the asyncio client of classifiers."""
# ruff: noqa: ASYNC109  a timeout here is one request's deadline, the same argument in both clients

from collections.abc import Sequence
from os import PathLike
from typing import overload

from bert_mlm_client import exchanges
from bert_mlm_client.clients.asynchronous import AsyncClient
from bert_mlm_client.clients.classify_question import classify_question, is_single
from bert_mlm_client.results import Classification
from bert_mlm_client.task import TEXT_CLASSIFICATION
from bert_mlm_client.texts import Classifiable
from bert_mlm_client.transport import AsyncTransport, Retry


class AsyncTextClassifier(AsyncClient):
    """Query a text classifier from asyncio.

    Arguments, methods and answers are those of `TextClassifier`. A client belongs to the event loop of its first
    request.

    Example:
        >>> async with AsyncTextClassifier("grpc://127.0.0.1:8500", model="genre") as client:
        ...     await client.classify("床前明月光，疑是地上霜。")
        [Classification(label='tang_poem', score=…)]
    """

    _task = TEXT_CLASSIFICATION

    def __init__(
        self,
        url: str | Sequence[str] | AsyncTransport,
        model: str,
        version: int | None = None,
        vocab: str | PathLike[str] | None = None,
        timeout: float = 10.0,
        *,
        retry: Retry | None = Retry(),  # noqa: B008  frozen, so that all may share it
    ) -> None:
        super().__init__(url, model, version, vocab, timeout, retry=retry)

    @overload
    async def classify(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self, texts: Classifiable, top_k: int | None = 1, *, truncate: bool = False, timeout: float | None = None
    ) -> list[Classification]: ...
    @overload
    async def classify(
        self,
        texts: Sequence[Classifiable],
        top_k: int | None = 1,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[list[Classification]]: ...
    async def classify(
        self,
        texts: Classifiable | Sequence[Classifiable],
        top_k: int | None = 1,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Classification] | list[list[Classification]]:
        """Return the best labels of texts (see `TextClassifier.classify`)."""
        answers = await self._ask(classify_question(texts, top_k, truncate=truncate), timeout)
        return answers[0] if is_single(texts) else answers

    async def labels(self, *, timeout: float | None = None) -> tuple[str, ...]:
        """Return the model's labels (see `TextClassifier.labels`)."""
        state = await self._load_state(timeout)
        with self._located():
            return exchanges.labels_of(state.model)
