"""Share arguments, checks and questions between both clients."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Protocol, TypeVar

from bert_mlm_client import exchanges
from bert_mlm_client.errors import BertMlmError, InputError, UsageError
from bert_mlm_client.exchanges import Exchange, Method, TokenizerState, Words
from bert_mlm_client.results import Explanation, Filling
from bert_mlm_client.tokens import Tokenizer
from bert_mlm_client.transport import Answer, AsyncTransport, Transport
from bert_mlm_client.transport.failures import closed

Filled = TypeVar("Filled")

MAX_TIMEOUT_S = 1_000_000
"""Maximum timeout; larger values overflow in system calls."""


class BaseClient:
    """Base class of both clients, without a transport."""

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
        self._tokenizer_state: TokenizerState | None = None
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


class FillExchange(Protocol[Filled]):
    """Build an exchange that fills masks."""

    def __call__(
        self, tokenizer: Tokenizer, texts: Sequence[str], top_k: int, *, skip_punctuation: bool, truncate: bool
    ) -> Exchange[list[Filled]]:
        """Return the exchange for the texts."""


def versions_of(answers: Iterable[Answer]) -> set[int]:
    """Return the versions of the answers."""
    return {answer.version for answer in answers if answer.version is not None}


def listed(texts: str | Sequence[str]) -> list[str]:
    """Return one text or several as a list."""
    return [texts] if isinstance(texts, str) else list(texts)


def check_moved(joint: object, targets: object) -> None:
    """Reject the former arguments of `fill`.

    Raises:
        UsageError: an argument is given; the message names the method to use instead.
    """
    if joint:
        msg = "fill(joint=True) is now fill_words(...), with the same answers"
        raise UsageError(msg)
    if targets is not None:
        msg = "fill(targets=...) is now choose(texts, candidates), with the same answers"
        raise UsageError(msg)


def fill_question(
    ask: FillExchange[Filled], texts: Sequence[str], top_k: int, *, skip_punctuation: bool, truncate: bool
) -> Callable[[Tokenizer], Exchange[list[Filled]]]:
    """Check the arguments of `fill` and build its exchange.

    Raises:
        InputError: a text or top_k is invalid.
    """
    _check_top_k(top_k)
    exchanges.check_texts(texts)
    return lambda tokenizer: ask(tokenizer, texts, top_k, skip_punctuation=skip_punctuation, truncate=truncate)


def choose_question(
    texts: Sequence[str], candidates: Sequence[Words], top_k: int, *, truncate: bool
) -> Callable[[Tokenizer], Exchange[list[list[Filling]]]]:
    """Check the arguments of `choose` and build its exchange.

    Raises:
        InputError: a text, the candidates or top_k is invalid.
    """
    _check_top_k(top_k)
    exchanges.check_texts(texts)
    words = exchanges.check_candidates(candidates)
    return partial(exchanges.choose, texts=texts, candidates=words, top_k=top_k, truncate=truncate)


def _check_top_k(top_k: int) -> None:
    if top_k < 1:
        msg = f"top_k is {top_k}; ask for 1 candidate or more"
        raise InputError(msg)


def explain_question(
    text: str, *, target: str | Sequence[str] | None, joint: bool, method: Method, truncate: bool
) -> Callable[[Tokenizer], Exchange[list[Explanation]]]:
    """Check the arguments of `explain` and build its exchange.

    Raises:
        InputError: the text, the target or the method is invalid.
    """
    exchanges.check_texts([text])
    exchanges.check_method(method)
    words = exchanges.check_target(target)
    return partial(exchanges.explain, text=text, method=method, target=words, joint=joint, truncate=truncate)


def pairs_of(a: str | Sequence[tuple[str, str]], b: str | None) -> list[tuple[str, str]]:
    """Return the pairs of texts of a `similarity` call.

    Raises:
        InputError: the arguments are neither two texts nor a list of pairs, or a text is invalid.
    """
    if isinstance(a, str) and b is not None:
        pairs = [(a, b)]
    elif not isinstance(a, str) and b is None:
        pairs = list(a)
        for number, pair in enumerate(pairs, 1):
            if isinstance(pair, str) or not isinstance(pair, Sequence) or len(pair) != 2:
                msg = f'pair {number} of {len(pairs)} is {pair!r:.50}; write each pair as two texts, ("…", "…")'
                raise InputError(msg)
    else:
        msg = "similarity compares two texts, or the two texts of each pair in a list"
        raise InputError(msg)
    exchanges.check_texts([text for pair in pairs for text in pair], masks=False)
    return pairs
