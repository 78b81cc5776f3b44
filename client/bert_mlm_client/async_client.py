"""The client for asyncio: the methods and answers of `FillMask`."""
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
from bert_mlm_client.exchanges import Exchange, Known, Method, Result, Words, check_candidates, check_texts
from bert_mlm_client.in_flight import send_all_async
from bert_mlm_client.results import Explanation, Features, Filling, ModelStatus, Prediction, Similarity
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import Answer, AsyncTransport, Request, Retry, open_async_transport
from bert_mlm_client.transport.failures import closed


class _Home(NamedTuple):
    """The event loop that a client belongs to in one process, and what is held while the vocabulary is fetched."""

    loop: asyncio.AbstractEventLoop
    loading: asyncio.Lock


class AsyncFillMask(BaseClient):
    """Ask a masked language model on TensorFlow Serving, for asyncio.

    The arguments, methods and answers are those of `FillMask`. A client belongs to the event loop of its first request.

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
        self._homes: dict[int, _Home] = {}

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
        """Return the best tokens for the mask of each text; see `FillMask.fill`."""
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
        """Return the best tokens for each mask; see `FillMask.fill_masks`."""
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
        """Return the best words for all masks together; see `FillMask.fill_words`."""
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
        """Return the best of given words; see `FillMask.choose`."""
        question = choose_question(listed(texts), candidates, top_k, truncate=truncate)
        answers = await self._ask(question, timeout)
        return answers[0] if isinstance(texts, str) else answers

    async def score(
        self, text: str, candidates: Sequence[Words], *, truncate: bool = False, timeout: float | None = None
    ) -> list[Filling]:
        """Score words of any length for the gaps of a text; see `FillMask.score`."""
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
        """Tell how close two texts are in meaning, or the texts of each of several pairs; see `FillMask.similarity`."""
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
        """Return the vectors of one text, or of each of several, in their order; see `FillMask.features`."""
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
        """Tell which tokens of a text an answer leans on; see `FillMask.explain`."""
        question = explain_question(text, target=target, joint=joint, method=method, truncate=truncate)
        return await self._ask(question, timeout)

    async def tokenizer(self, *, timeout: float | None = None) -> Tokenizer:
        """Return the tokenizer of the server's model, fetched at the first call and when a new version answers."""
        return (await self._know(timeout)).tokenizer

    async def model_status(self, *, timeout: float | None = None) -> ModelStatus:
        """Return which versions of the model the server has, and which of them can be asked."""
        self._at_home()
        with self._located():
            return await self._transport.status(timeout=self._seconds(timeout))

    async def close(self) -> None:
        """Let go of the connections; calls that are under way end with a UsageError."""
        self._at_home()
        self._is_closed = True
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _know(self, timeout: float | None) -> Known:
        async with self._at_home().loading:
            if self._known is None:
                answered: set[int] = set()
                self._known = await self._run(exchanges.load_known(self._vocab, answered), answered, timeout)
            return self._known

    async def _ask(self, question: Callable[[Tokenizer], Exchange[Result]], timeout: float | None) -> Result:
        known = await self._know(timeout)
        answered: set[int] = set()
        result, found = await self._run(
            exchanges.ask_current(question, known, self._vocab, answered), answered, timeout
        )
        if found is not known:
            self._known = found
        return result

    async def _run(self, exchange: Exchange[Result], answered: set[int], timeout: float | None) -> Result:
        """Carry out an exchange and note the versions that answer."""
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
            if self._is_closed and task is not None and not task.cancelling():  # gRPC did, when its channel was closed
                raise closed() from error
            raise

    def _at_home(self) -> _Home:
        """Return what this client has in this process.

        Raises:
            UsageError: this is not the event loop of the client's first request.
        """
        loop = asyncio.get_running_loop()
        home = self._homes.get(os.getpid()) or self._homes.setdefault(os.getpid(), _Home(loop, asyncio.Lock()))
        if home.loop is not loop:
            msg = (
                "an AsyncFillMask belongs to the event loop of its first request, and this is another; make one in each"
            )
            raise UsageError(msg)
        return home
