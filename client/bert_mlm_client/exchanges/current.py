"""Ask with the tokenizer of the version that answers, which a server may replace between two questions."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bert_mlm_client.errors import BertMlmError, VocabularyError
from bert_mlm_client.exchanges.base import Exchange, Result
from bert_mlm_client.exchanges.tokenizer import load_tokenizer
from bert_mlm_client.tokens import Tokenizer

TRIES = 5
"""How often to ask again while versions come and go."""


class Known(NamedTuple):
    """A tokenizer, and the versions of the model that are known to have been exported with it."""

    tokenizer: Tokenizer
    versions: frozenset[int]


def learn(vocab: Path | None) -> Exchange[Known]:
    """Load the tokenizer, see `load_tokenizer`."""
    versions: set[int] = set()
    tokenizer = yield from _noting(load_tokenizer(vocab), versions)
    return Known(tokenizer, frozenset(versions))


def ask_current(
    question: Callable[[Tokenizer], Exchange[Result]], known: Known, vocab: Path | None
) -> Exchange[tuple[Result, Known]]:
    """Ask a question; where a version answers that is not known, learn how it cuts text, and ask again if otherwise.

    gRPC tells with each answer which version gave it. REST does not: there the first tokenizer stays.

    Returns:
        The answer, and what is known now.

    Raises:
        VocabularyError: versions with different vocabularies answer in turn, or a new one does not fit the file.
        BertMlmError: the question's own.
    """
    versions: set[int] = set()
    for _ in range(TRIES):
        versions.clear()
        outcome: Result | BertMlmError
        try:
            outcome = yield from _noting(question(known.tokenizer), versions)
        except BertMlmError as error:
            outcome = error
        for _ in range(TRIES):
            if versions <= known.versions:
                if isinstance(outcome, BertMlmError):
                    raise outcome
                return outcome, known
            found = yield from learn(vocab)
            if not _cut_alike(found.tokenizer, known.tokenizer):
                known = found
                break
            # A server that cannot tell its vocabulary cannot tell this either: the file is taken at its word.
            known = Known(known.tokenizer, known.versions | (found.versions or versions))
    msg = (
        f"versions with different vocabularies answer in turn, at last {', '.join(map(str, sorted(versions)))}; "
        "ask one of them (version=…, --version)"
    )
    raise VocabularyError(msg)


def _noting(exchange: Exchange[Result], versions: set[int]) -> Exchange[Result]:
    """Carry on an exchange, and note which versions answer."""
    try:
        requests = next(exchange)
        while True:
            try:
                answers = yield requests
            except BertMlmError as error:
                requests = exchange.throw(error)
            else:
                versions.update(answer.version for answer in answers if answer.version is not None)
                requests = exchange.send(answers)
    except StopIteration as stop:
        result: Result = stop.value
        return result


def _cut_alike(one: Tokenizer, other: Tokenizer) -> bool:
    return one.config == other.config and one.vocabulary.digest == other.vocabulary.digest
