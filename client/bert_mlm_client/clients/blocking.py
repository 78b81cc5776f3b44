"""Provide the base class of the blocking clients."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from os import PathLike
from types import TracebackType
from typing import NamedTuple, Self, overload

from bert_mlm_client import exchanges
from bert_mlm_client.clients.base import BaseClient, listed, versions_of
from bert_mlm_client.drive import drive
from bert_mlm_client.exchanges import Exchange, Model, ModelState, Result
from bert_mlm_client.in_flight import MAX_IN_FLIGHT, send_all
from bert_mlm_client.results import Features, ModelStatus
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import Answer, Request, Retry, Transport, open_transport


class _ProcessState(NamedTuple):
    """State of a client in one process.

    A forked process needs its own: there, the parent's threads are missing and its locks may be held.

    Attributes:
        process: the process's id.
        workers: send several requests concurrently.
        vocabulary_lock: held while the vocabulary is fetched.
    """

    process: int
    workers: ThreadPoolExecutor
    vocabulary_lock: threading.Lock

    @classmethod
    def here(cls) -> Self:
        """Create the state of this process."""
        return cls(os.getpid(), ThreadPoolExecutor(MAX_IN_FLIGHT, "bert-mlm"), threading.Lock())


class BlockingClient(BaseClient):
    """Share connections, tokenizer and vectors between the blocking clients.

    A client is thread-safe. A forked process opens its own connections.
    """

    def __init__(
        self,
        url: str | Sequence[str] | Transport,
        model: str,
        version: int | None,
        vocab: str | PathLike[str] | None,
        timeout: float,
        *,
        retry: Retry | None,
    ) -> None:
        super().__init__(url, model, version, vocab, timeout)
        self._transport = open_transport(url, model=model, version=version, retry=retry)
        self._state = _ProcessState.here()

    @overload
    def features(self, texts: str, *, truncate: bool = False, timeout: float | None = None) -> Features: ...  # type: ignore[overload-overlap]  # a str is a Sequence[str]
    @overload
    def features(
        self, texts: Sequence[str], *, truncate: bool = False, timeout: float | None = None
    ) -> list[Features]: ...
    def features(
        self, texts: str | Sequence[str], *, truncate: bool = False, timeout: float | None = None
    ) -> Features | list[Features]:
        """Return the vectors of one text or of several.

        Args:
            texts: a text, with or without [MASK], or several.
            truncate: truncate a text that is too long for the model at the end.
            timeout: seconds to wait for the answer to a request; by default the client's.

        Raises:
            InputError: a text is invalid.
            BertMlmError: see `bert_mlm_client.errors`.
        """
        asked = listed(texts)
        exchanges.check_texts(asked, masks=False)
        answers = self._ask(lambda model: exchanges.features(model.tokenizer, asked, truncate=truncate), timeout)
        return answers[0] if isinstance(texts, str) else answers

    def tokenizer(self, *, timeout: float | None = None) -> Tokenizer:
        """Return the tokenizer of the server's model.

        It is fetched on the first call and when a new version answers.
        """
        return self._load_state(timeout).model.tokenizer

    def model_status(self, *, timeout: float | None = None) -> ModelStatus:
        """Return the status of the model's versions."""
        with self._located():
            return self._transport.status(timeout=self._seconds(timeout))

    def close(self) -> None:
        """Close the connections.

        Calls in flight raise UsageError.
        """
        self._is_closed = True
        if self._state.process == os.getpid():
            self._state.workers.shutdown(wait=False, cancel_futures=True)
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load_state(self, timeout: float | None) -> ModelState:
        with self._current_state().vocabulary_lock:
            if self._model_state is None:
                answered: set[int] = set()
                self._model_state = self._run(exchanges.load_state(self._vocab, answered), answered, timeout)
            return self._model_state

    def _ask(self, question: Callable[[Model], Exchange[Result]], timeout: float | None) -> Result:
        known = self._load_state(timeout)
        answered: set[int] = set()
        result, found = self._run(self._current_answer(question, known, answered), answered, timeout)
        if found is not known:
            self._model_state = found
        return result

    def _run(self, exchange: Exchange[Result], answered: set[int], timeout: float | None) -> Result:
        """Run an exchange and record the answering versions."""
        send = partial(self._transport.predict, timeout=self._seconds(timeout))

        def perform(requests: Sequence[Request]) -> Sequence[Answer]:
            answers = send_all(requests, send, self._current_state().workers)
            answered.update(versions_of(answers))
            return answers

        with self._located():
            return drive(exchange, perform)

    def _current_state(self) -> _ProcessState:
        if self._state.process != os.getpid():  # if two threads race here, one state is dropped, which is harmless
            self._state = _ProcessState.here()
        return self._state
