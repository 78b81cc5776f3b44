"""Share construction and errors between all clients."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import ClassVar

from bert_mlm_client.errors import BertMlmError, InputError
from bert_mlm_client.exchanges import Exchange, Model, ModelState, Result, ask_current, for_task
from bert_mlm_client.transport import Answer, AsyncTransport, Transport
from bert_mlm_client.transport.failures import closed

MAX_TIMEOUT_S = 1_000_000
"""Maximum timeout; larger values overflow in system calls."""


class BaseClient:
    """Base class of all clients, without a transport."""

    _task: ClassVar[str]

    def __init__(
        self,
        url: str | Sequence[str] | Transport | AsyncTransport,
        model: str,
        version: int | None,
        vocab: str | PathLike[str] | None,
        timeout: float,
    ) -> None:
        self._address = url if isinstance(url, str) else ", ".join(map(str, url)) if isinstance(url, Sequence) else None
        self._title = model if version is None else f"{model}/versions/{version}"
        self._vocab = None if vocab is None else Path(vocab)
        self._timeout = timeout
        self._model_state: ModelState | None = None
        self._is_closed = False
        self._seconds(timeout)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r}, model={self._title!r})"

    def _seconds(self, timeout: float | None) -> float:
        """Return the timeout of a call, by default the client's."""
        seconds = self._timeout if timeout is None else timeout
        if not 0 < seconds <= MAX_TIMEOUT_S:
            msg = f"the timeout is {seconds}; give a positive number of seconds, {MAX_TIMEOUT_S} at most"
            raise InputError(msg)
        return seconds

    def _current_answer(
        self, question: Callable[[Model], Exchange[Result]], known: ModelState, answered: set[int]
    ) -> Exchange[tuple[Result, ModelState]]:
        """Return the exchange that asks a question (see `ask_current`)."""
        return ask_current(for_task(self._task, question), known, self._vocab, answered)

    @contextmanager
    def _located(self) -> Iterator[None]:
        """Add address and model to errors that lack them.

        Raises:
            UsageError: the client is closed, so that any other error is a consequence.
        """
        if self._is_closed:
            raise closed()
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            if self._is_closed:
                raise closed() from error
            if isinstance(error, BertMlmError):
                error.address = error.address or self._address
                error.model = error.model or self._title
            raise


def versions_of(answers: Iterable[Answer]) -> set[int]:
    """Return the versions of the answers."""
    return {answer.version for answer in answers if answer.version is not None}


def listed(texts: str | Sequence[str]) -> list[str]:
    """Return one text or several as a list."""
    return [texts] if isinstance(texts, str) else list(texts)
