"""Provide the asyncio client of masked language models."""
# ruff: noqa: ASYNC109  a timeout here is one request's deadline, the same argument in both clients

from collections.abc import Callable, Sequence
from os import PathLike
from typing import overload

from bert_mlm_client import exchanges
from bert_mlm_client.clients.asynchronous import AsyncClient
from bert_mlm_client.clients.base import listed
from bert_mlm_client.clients.fill_questions import (
    check_moved,
    choose_question,
    explain_question,
    fill_question,
    pairs_of,
    proofread_question,
)
from bert_mlm_client.exchanges import THRESHOLD, Exchange, Method, Result, Words, check_candidates, check_texts
from bert_mlm_client.results import Explanation, Filling, Prediction, Proofreading, Similarity
from bert_mlm_client.task import FILL_MASK
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import AsyncTransport, Retry


class AsyncFillMask(AsyncClient):
    """Query a masked language model from asyncio.

    Arguments, methods and answers are those of `FillMask`. A client belongs to the event loop of its first request.

    Example:
        >>> async with AsyncFillMask("grpc://127.0.0.1:8500") as client:
        ...     await client.fill("中国的首[MASK]是北京。", top_k=1)
        [Prediction(score=0.99, token=6963, token_str='都', sequence='中国的首都是北京。')]
    """

    _task = FILL_MASK

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
        super().__init__(url, model, version, vocab, timeout, retry=retry)

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
        answers = await self._ask_tokenizer(question, timeout)
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
        answers = await self._ask_tokenizer(question, timeout)
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
        answers = await self._ask_tokenizer(question, timeout)
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
        answers = await self._ask_tokenizer(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    async def score(
        self, text: str, candidates: Sequence[Words], *, truncate: bool = False, timeout: float | None = None
    ) -> list[Filling]:
        """Score words for the gaps of a text (see `FillMask.score`)."""
        check_texts([text])
        words = check_candidates(candidates)
        [answer] = await self._ask_tokenizer(
            lambda tokenizer: exchanges.score(tokenizer, [text], words, truncate=truncate), timeout
        )
        return answer

    @overload
    async def similarity(
        self, a: str, b: str, *, truncate: bool = False, timeout: float | None = None
    ) -> Similarity: ...
    @overload
    async def similarity(
        self, a: Sequence[tuple[str, str]], b: None = None, *, truncate: bool = False, timeout: float | None = None
    ) -> list[Similarity]: ...
    async def similarity(
        self,
        a: str | Sequence[tuple[str, str]],
        b: str | None = None,
        *,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Similarity | list[Similarity]:
        """Return the similarity of texts (see `FillMask.similarity`)."""
        pairs = pairs_of(a, b)
        answers = await self._ask_tokenizer(
            lambda tokenizer: exchanges.similarity(tokenizer, pairs, truncate=truncate), timeout
        )
        return answers if b is None else answers[0]

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
        return await self._ask_tokenizer(question, timeout)

    @overload
    async def proofread(  # type: ignore[overload-overlap]  # a str is a Sequence[str]
        self,
        texts: str,
        threshold: float = THRESHOLD,
        top_k: int = 5,
        *,
        spacing: int | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Proofreading: ...
    @overload
    async def proofread(
        self,
        texts: Sequence[str],
        threshold: float = THRESHOLD,
        top_k: int = 5,
        *,
        spacing: int | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> list[Proofreading]: ...
    async def proofread(
        self,
        texts: str | Sequence[str],
        threshold: float = THRESHOLD,
        top_k: int = 5,
        *,
        spacing: int | None = None,
        truncate: bool = False,
        timeout: float | None = None,
    ) -> Proofreading | list[Proofreading]:
        """Find the improbable characters (see `FillMask.proofread`)."""
        question = proofread_question(listed(texts), threshold, top_k, spacing=spacing, truncate=truncate)
        answers = await self._ask_tokenizer(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    async def _ask_tokenizer(self, question: Callable[[Tokenizer], Exchange[Result]], timeout: float | None) -> Result:
        return await self._ask(lambda model: question(model.tokenizer), timeout)
