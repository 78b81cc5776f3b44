"""Check arguments and build the questions of `FillMask`."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from bert_mlm_client import exchanges
from bert_mlm_client.errors import InputError, UsageError
from bert_mlm_client.exchanges import Exchange, Method, Words
from bert_mlm_client.results import Explanation, Filling, Proofreading
from bert_mlm_client.tokens import Tokenizer

Filled = TypeVar("Filled")

MIN_SPACING = 2
"""Minimum distance of the tokens masked in one row of proofreading."""


class FillExchange(Protocol[Filled]):
    """Build an exchange that fills masks."""

    def __call__(
        self, tokenizer: Tokenizer, texts: Sequence[str], top_k: int, *, skip_punctuation: bool, truncate: bool
    ) -> Exchange[list[Filled]]:
        """Return the exchange for the texts."""


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


def proofread_question(
    texts: Sequence[str], threshold: float, top_k: int, *, spacing: int | None, truncate: bool
) -> Callable[[Tokenizer], Exchange[list[Proofreading]]]:
    """Check the arguments of `proofread` and build its exchange.

    Raises:
        InputError: a text, the threshold, top_k or the spacing is invalid.
    """
    if not 0 <= threshold <= 1:
        msg = f"the threshold is {threshold}; give a probability from 0 to 1"
        raise InputError(msg)
    _check_top_k(top_k)
    if spacing is not None and spacing < MIN_SPACING:
        msg = f"the spacing is {spacing}; give {MIN_SPACING} or more, or None to mask one token at a time"
        raise InputError(msg)
    exchanges.check_texts(texts, masks=False)
    return partial(
        exchanges.proofread, texts=texts, threshold=threshold, top_k=top_k, spacing=spacing, truncate=truncate
    )


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
