"""Workloads of mixed sentences, one length, or one count."""

from collections.abc import Callable
from dataclasses import dataclass

from bert_mlm_client.tokens import Encoded

from loadtest.sentences import masked_sentences, text_of

MIXED = "mixed"
ONE_TOKENS = 16
"""Length in tokens, with [CLS] and [SEP], for comparing sentence counts and engines."""

_MIXED_SENTENCES = 240

Encode = Callable[[str], Encoded]


@dataclass(frozen=True, slots=True)
class Workload:
    """A sequence of requests, each with sentences of one length.

    Attributes:
        name: ``mixed``, ``16 tokens`` or ``10 sentences``.
        requests: the sentences of each request.
    """

    name: str
    requests: tuple[tuple[Encoded, ...], ...]


def mixed(encode: Encode) -> Workload:
    """Return real sentences of mixed length, one a request."""
    return Workload(MIXED, tuple((encode(text),) for text in masked_sentences(_MIXED_SENTENCES)))


def of_length(encode: Encode, tokens: int) -> Workload:
    """Return one sentence of the given number of tokens."""
    return Workload(length_name(tokens), ((encode(text_of(tokens - 2)),),))


def of_count(encode: Encode, sentences: int) -> Workload:
    """Return one request of several sentences of ``ONE_TOKENS`` tokens."""
    return Workload(count_name(sentences), ((encode(text_of(ONE_TOKENS - 2)),) * sentences,))


def length_name(tokens: int) -> str:
    """Return the name of a workload of one length."""
    return f"{tokens} tokens"


def count_name(sentences: int) -> str:
    """Return the name of a workload of one sentence count."""
    return f"{sentences} sentences" if sentences != 1 else length_name(ONE_TOKENS)
